"""How fast the error budget is spent: the arithmetic, and that CloudWatch is told the same."""

import pytest

from deploy.watch import burn
from deploy.watch.shape import DAY, HOUR, MINUTE, Missing, Series, Severity

WATCHED = {name: Series(namespace="N", name=name, dimensions={}, statistic="Sum") for name in burn.SLO_SERIES}


def computed(expression, **values):
    """Metric math as far as it is used here: IF and FILL of numbers, and None for what was not measured."""
    scope = dict.fromkeys(burn.SLO_SERIES) | values
    python = expression.replace("IF(", "choose(").replace("FILL(", "fill(")

    class Division(float):
        """As CloudWatch has it: by 0 there is nothing, and IF does not look at it."""

        def __truediv__(self, other):
            return Division(float(self) / float(other)) if other else Division("nan")

        def __add__(self, other):
            return Division(float(self) + float(other))

    scope |= {
        "choose": lambda condition, yes, no: yes if condition else no,
        "fill": lambda value, instead: Division(instead if value is None else value),
    }
    return eval(python, scope)


@pytest.mark.parametrize(
    ("share", "window_s", "rate"),
    [
        (0.02, HOUR, 14.4),
        (0.05, 6 * HOUR, 6),
        (0.10, DAY, 3),
        (0.10, 3 * DAY, 1),
        (1, 30 * DAY, 1),
    ],
)
def test_a_share_of_the_budget_within_a_window_is_a_pace(share, window_s, rate):
    assert burn.burn_rate(share, window_s) == rate


@pytest.mark.parametrize(
    ("failed", "total", "pace", "left"),
    [
        (0, 0, 0, 1),
        (0, 1000, 0, 1),
        (1, 1000, 1, 0),
        (1, 2000, 0.5, 0.5),
        (144, 10_000, 14.4, -13.4),
        (5, 5, 1000, -999),
    ],
)
def test_one_failure_in_a_thousand_is_a_pace_of_one_and_leaves_nothing(failed, total, pace, left):
    assert burn.pace(failed, total) == pytest.approx(pace)
    assert burn.budget_left(failed, total) == pytest.approx(left)


@pytest.mark.parametrize(
    ("failed", "refused", "good"),
    [(0, 0, 0), (0, 0, 500), (7, 0, 993), (3, 9, 88), (0, 40, 0), (1, 0, 0), (25, 25, 50)],
)
def test_cloudwatch_computes_what_the_functions_do(failed, refused, good):
    measured = {"other2xx": good, "errors": failed or None, "refused": refused or None, "llm5xx": failed or None}
    total = failed + refused + good
    expected = burn.pace(failed + refused, total)
    assert computed(burn.pace_expression(1), **measured) == pytest.approx(expected)
    left = computed(burn.budget_left_expression(), **measured)
    assert left == pytest.approx(100 * burn.budget_left(failed + refused, total))


def test_below_a_handful_of_failures_nobody_is_told_of_a_pace():
    few = {"other2xx": 16, "llm5xx": burn.FEWEST_FAILURES - 1, "errors": burn.FEWEST_FAILURES - 1}
    assert computed(burn.pace_expression(burn.FEWEST_FAILURES), **few) == 0
    enough = {"other2xx": 16, "llm5xx": burn.FEWEST_FAILURES, "errors": burn.FEWEST_FAILURES}
    assert computed(burn.pace_expression(burn.FEWEST_FAILURES), **enough) > 200


def test_every_class_of_peoples_requests_is_counted_and_no_health_check():
    assert {name for name in burn.SLO_SERIES if name in burn.TOTAL} == set(burn.SLO_SERIES) - {"errors"}
    assert "health" not in burn.TOTAL


def test_each_pace_is_told_by_two_parts_that_tell_nobody_themselves():
    alarms = burn.burn_alarms(WATCHED)
    singles = {alarm.what: alarm for alarm in alarms.single}
    assert [composite.what for composite in alarms.composite] == ["burn-fast", "burn-slow", "burn-day", "burn-days"]
    for composite in alarms.composite:
        long, short = (singles[part] for part in composite.parts)
        assert long.severity is short.severity is Severity.PART
        assert long.above == short.above
        # The workbook's short window is a twelfth of the long one.
        assert long.period_s * long.periods == 12 * short.period_s * short.periods


@pytest.mark.parametrize(
    ("what", "rate", "windows", "severity"),
    [
        ("burn-fast", 14.4, (HOUR, 5 * MINUTE), Severity.PAGE),
        ("burn-slow", 6, (6 * HOUR, 30 * MINUTE), Severity.PAGE),
        ("burn-day", 3, (DAY, 2 * HOUR), Severity.NOTIFY),
        ("burn-days", 1, (3 * DAY, 6 * HOUR), Severity.NOTIFY),
    ],
)
def test_the_paces_are_the_workbooks(what, rate, windows, severity):
    (pace,) = (each for each in burn.PACES if each.what == what)
    assert (pace.rate, (pace.long_s, pace.short_s), pace.severity) == (rate, windows, severity)


def test_where_nobody_asks_nothing_is_spent():
    assert {alarm.missing for alarm in burn.burn_alarms(WATCHED).single} == {Missing.GOOD}
