"""When a server is left alone, and how it comes back."""

import pytest

from inference import breaker
from inference.breaker import FAILURES_TO_OPEN, FIRST_REST_S, LONGEST_REST_S, Breaker
from inference.errors import (
    AnswerCutOff,
    InferenceError,
    ModelBusy,
    ModelFailed,
    ModelTimeout,
    ModelUnreachable,
    PromptRejected,
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(clock: Clock) -> Breaker:
    fresh = Breaker(clock)
    for _ in range(FAILURES_TO_OPEN):
        assert fresh.refuses_for_s() == 0
        fresh.failed(ModelUnreachable("m"))
    return fresh


@pytest.mark.parametrize(
    "fault",
    [
        ModelUnreachable("m"),
        ModelFailed("m"),
        AnswerCutOff("m"),
        ModelTimeout("m", what="did not begin to answer in", waited_s=3),
    ],
    ids=lambda fault: fault.code,
)
def test_a_server_that_fails_in_a_row_is_left_alone(clock: Clock, fault: InferenceError) -> None:
    fresh = Breaker(clock)
    for _ in range(FAILURES_TO_OPEN - 1):
        fresh.failed(fault)
    assert fresh.refuses_for_s() == 0
    fresh.failed(fault)
    assert fresh.refuses_for_s() == FIRST_REST_S


@pytest.mark.parametrize("word", [ModelBusy("m"), PromptRejected("m"), None], ids=["busy", "rejected", "answered"])
def test_a_word_of_the_server_begins_the_count_anew(clock: Clock, word: InferenceError | None) -> None:
    fresh = Breaker(clock)
    for _ in range(3):
        for _ in range(FAILURES_TO_OPEN - 1):
            fresh.failed(ModelUnreachable("m"))
        if word is None:
            fresh.succeeded()
        else:
            fresh.failed(word)
    assert fresh.refuses_for_s() == 0


def test_after_its_rest_one_asks_and_the_others_wait(clock: Clock) -> None:
    resting = opened(clock)
    clock.now += FIRST_REST_S - 0.5
    assert resting.refuses_for_s() == pytest.approx(0.5)
    clock.now += 0.5
    assert resting.refuses_for_s() == 0
    assert resting.refuses_for_s() > 0
    resting.succeeded()
    assert [resting.refuses_for_s() for _ in range(3)] == [0, 0, 0]


def test_a_probe_that_fails_doubles_the_rest_up_to_a_bound(clock: Clock) -> None:
    resting = opened(clock)
    rests = []
    for _ in range(6):
        clock.now += LONGEST_REST_S
        assert resting.refuses_for_s() == 0
        resting.failed(ModelUnreachable("m"))
        rests.append(resting.refuses_for_s())
    assert rests == [10, 20, 40, 60, 60, 60]
    clock.now += LONGEST_REST_S
    assert resting.refuses_for_s() == 0
    resting.succeeded()
    for _ in range(FAILURES_TO_OPEN):
        resting.failed(ModelUnreachable("m"))
    assert resting.refuses_for_s() == breaker.FIRST_REST_S


def test_a_probe_that_leaves_makes_room_for_the_next(clock: Clock) -> None:
    resting = opened(clock)
    clock.now += FIRST_REST_S
    assert resting.refuses_for_s() == 0
    resting.left()
    assert resting.refuses_for_s() == 0


def test_calls_that_were_under_way_do_not_lengthen_a_rest(clock: Clock) -> None:
    resting = opened(clock)
    clock.now += 1
    for _ in range(20):
        resting.failed(ModelUnreachable("m"))
    assert resting.refuses_for_s() == FIRST_REST_S - 1


def test_who_only_looks_is_no_probe(clock: Clock) -> None:
    rested = opened(clock)
    assert rested.rests_for_s() == FIRST_REST_S
    clock.now += FIRST_REST_S
    assert rested.rests_for_s() == rested.rests_for_s() == 0
    assert rested.refuses_for_s() == 0
    assert rested.rests_for_s() == 1
