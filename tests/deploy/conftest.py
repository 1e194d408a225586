"""An account of AWS in which nothing is real; one image for all tests of it, and what a container of it needs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from moto import mock_aws
from pymongo import MongoClient

from eloquent.foundation.keys import make_secret, make_signing_key
from tests.deploy.buildah import Buildah
from tests.deploy.cloud import Cloud
from tests.deploy.cluster import Cluster
from tests.deploy.container import Container

TAG = "eloquent-api:test"
EPOCH = 1_700_000_000
REVISION = "0123456789abcdef0123456789abcdef01234567"
HOST = "api.example.org"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/deploy/" in item.nodeid:
            item.add_marker(pytest.mark.deploy)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield Cloud(Cluster("eloquent-prod", "eloquent-prod-api"))


@pytest.fixture(scope="session")
def image() -> Iterator[Container]:
    """The image as it is built for a release. The first time takes minutes, later ones what has changed."""
    buildah = Buildah()
    arguments = {"REVISION": REVISION, "VERSION": "1.2.3", "SOURCE": f"https://{HOST}/source"}
    buildah.build(TAG, SOURCE_DATE_EPOCH=str(EPOCH), **arguments)
    container, root = buildah.mounted(TAG)
    try:
        yield Container(root, buildah.config(TAG))
    finally:
        buildah.removed(container)


@contextmanager
def production(name: str) -> Iterator[dict[str, str]]:
    """Production's settings, with this run's servers and a database of its own."""
    database = f"eloquent-image-{name}-{os.getpid()}"
    client: MongoClient[dict[str, Any]] = MongoClient(os.environ["MONGODB_URI"])
    client.drop_database(database)
    yield {
        "ELOQUENT_ENV": "prod",
        "SECRET_KEY": make_secret(),
        "JWT_PRIVATE_KEY": make_signing_key(),
        "ALLOWED_HOSTS": HOST,
        "HOST": "127.0.0.1",
        "MONGODB_URI": os.environ["MONGODB_URI"],
        "MONGODB_NAME": database,
        "REDIS_URL": os.environ["REDIS_URL"],
        "TITLE_MODEL": "off",
    }
    client.drop_database(database)
    client.close()
