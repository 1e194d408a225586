"""Whose turn it is: a pure order, so its fairness is tested as properties of any schedule."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from inference.admission.line import Line, Ticket

joins = st.tuples(st.just("join"), st.integers(0, 2), st.sampled_from("abcd"))
steps = st.lists(joins | st.tuples(st.just("admit")) | st.tuples(st.just("leave"), st.integers(0, 30)), max_size=60)


def played(schedule: list[tuple]) -> tuple[Line, list[tuple[str, Ticket, list[Ticket]]]]:
    """The line after the schedule, and what happened: what, to whom, and who waited then, in the order they came."""
    line, waiting, happened = Line(), [], []
    for number, (what, *how) in enumerate(schedule):
        if what == "join":
            ticket = Ticket(how[0], how[1], str(number))
            line.join(ticket)
            waiting.append(ticket)
        elif what == "admit":
            ticket = line.first()
            assert (ticket is None) == (not waiting)
            if ticket is None:
                continue
            line.admit(ticket)
            waiting.remove(ticket)
        else:
            if not waiting:
                continue
            ticket = waiting.pop(how[0] % len(waiting))
            line.leave(ticket)
        happened.append((what, ticket, list(waiting)))
        assert line.waiting == len(waiting)
        assert sorted(line.order()) == sorted(waiting)
    return line, happened


@given(steps)
def test_nothing_less_urgent_goes_before_what_is_more_urgent(schedule: list[tuple]) -> None:
    for what, ticket, waiting in played(schedule)[1]:
        if what == "admit":
            assert all(other.priority >= ticket.priority for other in waiting)


@given(steps)
def test_a_users_own_calls_keep_their_order(schedule: list[tuple]) -> None:
    for what, ticket, waiting in played(schedule)[1]:
        if what == "admit":
            theirs = [other for other in waiting if other[:2] == ticket[:2]]
            assert all(int(ticket.number) < int(other.number) for other in theirs)


@given(steps)
def test_nobody_is_served_twice_while_somebody_else_waits_for_a_first_turn(schedule: list[tuple]) -> None:
    since: dict[tuple[int, str], Counter[str]] = {}
    for what, ticket, waiting in played(schedule)[1]:
        group = ticket[:2]
        if what == "admit":
            for other, served in since.items():
                if other != group and other[0] == group[0]:
                    served[ticket.user] += 1
                    assert served[ticket.user] <= 1, f"{other} waited meanwhile"
            since.pop(group)
        elif what == "leave":
            since.pop(group, None) if group not in {other[:2] for other in waiting} else None
        for other in {other[:2] for other in waiting}:
            since.setdefault(other, Counter())


@given(steps)
def test_the_order_told_is_the_order_kept(schedule: list[tuple]) -> None:
    line, _ = played(schedule)
    told = list(line.order())
    kept = []
    while (ticket := line.first()) is not None:
        line.admit(ticket)
        kept.append(ticket)
    assert kept == told


def test_who_was_served_waits_until_all_who_came_before_have_had_their_turn() -> None:
    line = Line()
    for user, number in (("a", "1"), ("a", "2"), ("b", "3")):
        line.join(Ticket(0, user, number))
    line.admit(Ticket(0, "a", "1"))
    line.join(Ticket(0, "c", "4"))
    assert [ticket.number for ticket in line.order()] == ["3", "2", "4"]


def test_a_place_is_given_back_once_however_often_it_is_said() -> None:
    line = Line()
    ticket = Ticket(0, "a", "1")
    line.join(ticket)
    for _ in range(2):
        line.leave(ticket)
        assert (line.waiting, line.first(), line.admitted) == (0, None, set())
    line.admit(ticket)
    line.leave(ticket)
    assert line.admitted == set()
