"""`python -m deploy.rotate MODEL_CA`: at no moment does our own model show what the application does not trust."""

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from deploy.commands.account import Refused, agreed
from deploy.commands.rotations import certificate_in
from deploy.environments import STAGING
from deploy.rotate import rotate
from tests.deploy.cluster import Cluster

IDENTITY, TRUSTED = "eloquent-prod-model-identity", "/eloquent/prod/MODEL_CA"


class BothClusters:
    """ECS with the application's cluster and the model's; notes what tasks get that a deployment starts."""

    def __init__(self, cloud, *clusters):
        self._cloud = cloud
        self._clusters = {cluster.name: cluster for cluster in clusters}
        self.given = []

    def __getattr__(self, method):
        def asked(**what):
            if method == "update_service":
                self.given.append((what["service"], values(self._cloud)))
            return getattr(self._clusters[what["cluster"]], method)(**what)

        return asked


@pytest.fixture
def empty(cloud):
    """Secrets without values and no service: an environment that is being brought up."""
    client = cloud.client("secretsmanager")
    for path in (IDENTITY, TRUSTED):
        client.create_secret(Name=path)
    cloud.model = Cluster("eloquent-prod-model", "eloquent-prod-model")
    cloud.api, cloud.cluster = cloud.cluster, BothClusters(cloud, cloud.cluster, cloud.model)
    return cloud


@pytest.fixture
def serving(empty):
    """Both services run, with the first certificate."""
    make(empty)
    for cluster, family in ((empty.api, "eloquent-prod-api"), (empty.model, "eloquent-prod-model")):
        cluster.deployed(cluster.define(family, "one"))
    return empty


def make(cloud):
    rotate(cloud.account, "MODEL_CA", read=lambda _prompt: pytest.fail("nothing is asked"), agree=agreed)


def values(cloud):
    client = cloud.client("secretsmanager")
    asked = {"VersionStage": "AWSCURRENT"}
    return tuple(client.get_secret_value(SecretId=path, **asked)["SecretString"] for path in (IDENTITY, TRUSTED))


def test_the_first_one_is_made_before_anything_runs(empty, capsys):
    make(empty)
    identity, trusted = values(empty)
    certificate = x509.load_pem_x509_certificate(trusted.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["ollama.prod.eloquent.internal"]
    assert load_pem_private_key(identity.encode(), None).public_key() == certificate.public_key()
    assert "PRIVATE" not in trusted
    assert empty.cluster.given == []
    said = "\n".join(empty.said) + "".join(capsys.readouterr())
    assert "BEGIN" not in said


def test_every_task_trusts_what_the_model_shows_before_and_after(serving):
    before, old = values(serving)
    make(serving)
    (first, (shown, trusted)), (second, (shown_after, trusted_after)) = serving.cluster.given
    assert (first, second) == ("eloquent-prod-api", "eloquent-prod-model")
    new = certificate_in(shown_after)
    assert shown == before
    assert trusted == trusted_after == new + old
    assert new != old
    assert values(serving) == (shown_after, new), "and the old one is forgotten"


def test_an_interrupted_one_goes_on_with_what_tasks_trust_already(serving):
    _, old = values(serving)
    serving.api.becomes = "STOPPED"
    with pytest.raises(Refused, match="1 of 2"):
        make(serving)
    identity, trusted = values(serving)
    assert certificate_in(identity) == old
    serving.api.becomes = "SUCCESSFUL"
    make(serving)
    assert trusted == values(serving)[1] + old


def test_whoever_has_no_model_of_their_own_is_told_what_there_is(empty):
    empty.environment = replace(STAGING, account=empty.environment.account)
    with pytest.raises(Refused, match="name one of SECRET_KEY, REDIS_URL, JWT, MONGODB_URI"):
        make(empty)
