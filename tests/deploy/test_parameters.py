"""What `deploy/parameters.py` says of the application's settings, compared with the settings."""

from typing import get_args

import pytest

from deploy import naming
from deploy.application_settings import SAID_BY_THE_TASK, application_settings
from deploy.bounds import LOG_LEVELS
from deploy.environments import ENVIRONMENTS
from deploy.parameters import plain_settings, secrets_of
from eloquent.foundation.config.placement import Place, path_of, placement
from eloquent.foundation.config.settings import FIELDS

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


def test_the_source_tells_every_setting_and_secret_that_the_application_has():
    assert application_settings() == {name: place is Place.SECRET for name, place in placement().items()}


def test_what_says_where_to_look_or_to_listen_is_no_parameter():
    in_the_environment = {name for name, place in placement().items() if place is Place.ENVIRONMENT}
    assert in_the_environment <= SAID_BY_THE_TASK <= set(placement())


def test_an_environments_log_level_is_one_of_the_applications():
    assert get_args(FIELDS["log_level"].annotation) == LOG_LEVELS
