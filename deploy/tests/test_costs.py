"""What an environment costs: counted in its templates, and written down as it is counted."""

from datetime import date
from pathlib import Path

import pytest

from deploy import costs, prices
from deploy.costs import Row, document, own_metrics, rows
from deploy.environments import ENVIRONMENTS
from deploy.prices import Price

WRITTEN = Path(costs.__file__).with_name("costs.md")


def of(counted, beginning):
    (row,) = (each for each in counted if each.what.startswith(beginning))
    return row


def test_what_is_written_is_what_is_counted(templates):
    assert WRITTEN.read_text() == document(templates)


def test_every_price_says_where_it_was_read_and_when_and_none_is_made_up():
    every = [each for each in vars(prices).values() if isinstance(each, Price)]
    every += [*prices.HOSTS.values(), *prices.CACHE_NODES.values()]
    for price in every:
        assert bool(price.source) is (price.usd is not None)
        assert price.source == "" or price.source.startswith("https://")
        assert date.fromisoformat(price.read)


@pytest.mark.parametrize(
    ("name", "beginning", "count"),
    [
        ("dev", "NAT gateways", 1),
        ("prod", "NAT gateways", 3),
        ("dev", "Fargate, processors", 0.5),
        ("staging", "Fargate, GiB", 4),
        ("prod", "Fargate, processors", 6),
        ("prod", "hosts of our own model", 2),
        ("prod", "nodes of the cache", 3),
        ("prod", "firewalls", 1),
        ("prod", "rules and groups", 6),
        ("prod", "composite alarms", 4),
    ],
)
def test_things_are_counted_as_the_environment_has_them(templates, name, beginning, count):
    assert of(rows(ENVIRONMENTS[name], templates[name]), beginning).count == count


def test_an_endpoint_is_paid_in_each_of_its_zones(templates):
    for name, env in ENVIRONMENTS.items():
        inside = [
            each["Properties"]
            for each in templates[name]["network"]["Resources"].values()
            if each["Type"] == "AWS::EC2::VPCEndpoint" and each["Properties"]["VpcEndpointType"] == "Interface"
        ]
        counted = [each for each in rows(env, templates[name]) if each.what.startswith("interface endpoints")]
        assert [row.count for row in counted] == ([len(inside) * len(env.zones)] if inside else [])


def test_an_hours_price_is_paid_730_times_and_a_months_once():
    assert Row(what="", count=2, price=Price(unit="hour", usd=0.5, source="https://")).month_usd == 730
    assert Row(what="", count=2, price=Price(unit="month", usd=0.5, source="https://")).month_usd == 1
    assert Row(what="", count=2, price=Price(unit="hour", usd=None)).month_usd is None


def test_every_combination_of_dimensions_is_a_metric_of_its_own():
    # Fourteen with the common dimensions alone, requests by three classes and four kinds of status, two of lines.
    assert own_metrics() == 14 + 3 * 4 + 2
