"""Alarms over what the application says of itself. Pure."""

from typing import Final

from deploy.environment import Environment
from deploy.watch.series import COLLECTOR_ERRORS, LOGGED_ERRORS, of_application, of_log
from deploy.watch.shape import HOUR, MINUTE, Alarm, Missing, Severity
from eloquent.foundation.telemetry import metric_names as own

FIVE: Final = 5 * MINUTE
MONTH_H: Final = 730
COSTLY: Final = 3
RUNAWAY: Final = 10
"""So many times the month's pace, in one hour."""
MICROS: Final = 1_000_000
WAITED_MS: Final = 15_000
"""The slowest tenth waits longer for its turn: every host that there may be has its share."""
FAILING_SHARE: Final = 0.1
FEWEST_RUNS: Final = 20
INTERRUPTED_MOST: Final = 5
MODEL_FAILURES_MOST: Final = 25
LOGGED_ERRORS_MOST: Final = 20
COLLECTOR_ERRORS_MOST: Final = 5


def application_alarms(env: Environment) -> list[Alarm]:
    """Whether it lives, how fast it is, whether answers come, and what they cost."""
    return [_silence(env), *_slow(env), *_answers(env), *_money(env), *_lines(env)]


def _silence(env: Environment) -> Alarm:
    return Alarm(
        what="metrics-silent",
        meaning="No process has written a metric for five minutes: none lives, or its log does not arrive.",
        severity=Severity.NOTIFY,
        # Every process writes it four times a minute, be it 0.
        watched={"errors": of_application(env, own.SERVER_ERRORS, "SampleCount")},
        below=1,
        periods=5,
        missing=Missing.BAD,
        everywhere=True,
    )


def _slow(env: Environment) -> list[Alarm]:
    # Nobody asked: nobody was slow.
    return [
        Alarm(
            what=what,
            meaning=meaning,
            severity=Severity.NOTIFY,
            watched={"time": of_application(env, metric, "p95")},
            above=metric.target,
            period_s=FIVE,
            periods=3,
            missing=Missing.GOOD,
        )
        for what, metric, meaning in (
            (
                "slow-requests",
                own.REQUEST_DURATION,
                "For a quarter of an hour, one request in twenty to the API took over 500 ms, language models apart.",
            ),
            (
                "slow-first-token",
                own.TIME_TO_FIRST_TOKEN,
                "For a quarter of an hour, one answer in twenty began after more than 2 s.",
            ),
        )
    ] + [
        Alarm(
            what="queue-long",
            meaning="For a quarter of an hour, one call in ten waited over 15 s for a place at its language model.",
            severity=Severity.NOTIFY,
            watched={"wait": of_application(env, own.QUEUE_WAIT, "p90")},
            above=WAITED_MS,
            period_s=FIVE,
            periods=3,
            missing=Missing.GOOD,
        )
    ]


def _answers(env: Environment) -> list[Alarm]:
    ended = {
        "completed": of_application(env, own.RUNS_COMPLETED, "Sum"),
        "stopped": of_application(env, own.RUNS_STOPPED, "Sum"),
        "interrupted": of_application(env, own.RUNS_INTERRUPTED, "Sum"),
        "failed": of_application(env, own.RUNS_FAILED, "Sum"),
    }
    # All four are written together, so that either all or none is missing. `metrics-silent` tells of the latter.
    runs = "(completed + stopped + interrupted + failed)"
    return [
        Alarm(
            what="answers-failing",
            meaning="More than one answer in ten fails: people ask and get nothing.",
            severity=Severity.PAGE,
            watched=ended,
            expression=f"IF({runs} >= {FEWEST_RUNS}, failed / {runs}, 0)",
            above=FAILING_SHARE,
            period_s=FIVE,
            periods=2,
            of=3,
            missing=Missing.GOOD,
            everywhere=True,
        ),
        Alarm(
            what="answers-interrupted",
            meaning="Answers are cut off because their processes go: they crash, are killed, or do not drain in time.",
            severity=Severity.NOTIFY,
            watched={"interrupted": ended["interrupted"]},
            above=INTERRUPTED_MOST,
            period_s=3 * FIVE,
            missing=Missing.GOOD,
        ),
        Alarm(
            what="models-failing",
            meaning="Calls of language models fail; others may answer instead, so that people do not notice yet.",
            severity=Severity.NOTIFY,
            watched={"failures": of_application(env, own.MODEL_FAILURES, "Sum")},
            above=MODEL_FAILURES_MOST,
            period_s=FIVE,
            periods=2,
            of=3,
            missing=Missing.GOOD,
        ),
    ]


def _money(env: Environment) -> list[Alarm]:
    usual = env.monthly_budget_usd * MICROS // MONTH_H
    cost = {"cost": of_application(env, own.COST_MICROS, "Sum")}
    return [
        Alarm(
            what=what,
            meaning=f"Language models cost {times} times as much in an hour as the month's whole budget allows.",
            severity=severity,
            watched=cost,
            above=times * usual,
            period_s=HOUR,
            missing=Missing.GOOD,
            everywhere=True,
        )
        for what, times, severity in (
            ("cost-high", COSTLY, Severity.NOTIFY),
            ("cost-runaway", RUNAWAY, Severity.PAGE),
        )
    ]


def _lines(env: Environment) -> list[Alarm]:
    return [
        Alarm(
            what="collector-errors",
            meaning="The collector cannot hand on traces. Nothing else is lost.",
            severity=Severity.NOTIFY,
            watched={"errors": of_log(env, COLLECTOR_ERRORS)},
            above=COLLECTOR_ERRORS_MOST,
            period_s=FIVE,
            periods=3,
            missing=Missing.GOOD,
        ),
        Alarm(
            what="errors-logged",
            meaning="The application writes more errors into its log than one mishap explains.",
            severity=Severity.NOTIFY,
            watched={"errors": of_log(env, LOGGED_ERRORS)},
            above=LOGGED_ERRORS_MOST,
            period_s=FIVE,
            periods=2,
            of=3,
            missing=Missing.GOOD,
        ),
    ]
