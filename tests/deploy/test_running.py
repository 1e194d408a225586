"""`python -m deploy.running`: which release serves."""

from deploy.running import tell_running


def test_the_tag_that_serves_is_said_and_nothing_else(cloud):
    cloud.cluster.deployed(cloud.cluster.define("eloquent-prod-api", "one"))
    cloud.cluster.deployed(cloud.cluster.define("eloquent-prod-api", "two"))
    tell_running(cloud.account)
    assert cloud.said == ["two"]


def test_before_there_is_a_service_nothing_is_said(cloud):
    tell_running(cloud.account)
    assert cloud.said == []
