"""What `deploy/parameters.py` says of the application's settings, compared with the settings."""

import pytest

from deploy import naming
from deploy.environments import ENVIRONMENTS
from deploy.parameters import plain_settings, secrets_of
from eloquent.foundation.config.placement import Place, path_of, placement

pytestmark = pytest.mark.deploy
NAMES = list(ENVIRONMENTS)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_a_setting_in_the_place_where_the_application_looks_for_it(name):
    env = ENVIRONMENTS[name]
    described = dict.fromkeys(plain_settings(env), Place.PARAMETER)
    described |= {secret.name: Place.SECRET for secret in secrets_of(env)}
    assert {key: placement().get(key) for key in described} == described


@pytest.mark.parametrize("name", NAMES)
def test_both_sides_mean_the_same_path(name):
    assert naming.path_of(ENVIRONMENTS[name], "LOG_LEVEL") == path_of(name, "log_level")


@pytest.mark.parametrize("name", NAMES)
def test_no_setting_is_written_without_a_value(name):
    assert [key for key, value in plain_settings(ENVIRONMENTS[name]).items() if not value.strip()] == []
