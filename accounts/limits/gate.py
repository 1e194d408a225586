"""Who passes: every request is counted by its user, its API key or its address, and some by their route, too.

Counted in this process (`accounts.limits.counting`), shared with the others beside the requests
(`accounts.limits.sharing`): nothing here waits. What the caller is told of it is noted on the request as
`limits_told`, and becomes headers in the middleware.
"""

import math
import time
from typing import Any, Final

from accounts.addresses import throttle_key
from accounts.devices import device_of
from accounts.limits import policies
from accounts.limits.counting import REFUSED, Counter, Who, Window
from accounts.limits.headers import (
    openai_headers,
    policy_header,
    standing,
    standing_header,
)
from accounts.limits.policies import Policy
from accounts.limits.sharing import Sharing
from eloquent.foundation.config import get_config
from eloquent.foundation.errors import Throttled
from eloquent.foundation.ids import ApiKeyId, UserId

_TOO_MANY: Final = "Too many requests. Wait a moment."
# The clock of windows: the same for all processes, and it never goes back.
_EPOCH: Final = time.time() - time.monotonic()


class _Gate:
    """The counters of this process."""

    def __init__(self) -> None:
        config = get_config()
        self.sharing = Sharing()
        self._changed = _nobody_hears if config.redis_url is None else self.sharing.note
        self._counters: dict[Policy, Counter] = {}
        runs = Policy("runs", config.rate_limit_runs_per_minute, 60)
        self.user = self._counter(Policy("user", config.rate_limit_user_per_minute, 60))
        self.key = self._counter(Policy("key", config.rate_limit_key_per_minute, 60))
        self.address = self._counter(Policy("address", config.rate_limit_address_per_minute, 60))
        self.runs = self._counter(runs)
        self.sockets = self._counter(policies.SOCKETS)
        self.user_told = policy_header((self.user.policy,))
        self.of_users = {
            route: (self._counter(policy), policy_header((self.user.policy, policy)))
            for route, policy in policies.of_users(runs).items()
        }
        self.of_addresses = {route: self._counter(policy) for route, policy in policies.OF_ADDRESSES.items()}

    def _counter(self, policy: Policy) -> Counter:
        counter = self._counters.get(policy)
        if counter is None:
            counter = self._counters[policy] = Counter(policy, self._changed)
        return counter


def count_user(request: Any, user_id: UserId) -> None:
    """Count a request of a signed-in user, in general and by its route.

    Raises:
        Throttled: one too many; `limits_told` says of which.
    """
    gate, at, who = _gate(), _now(), user_id.binary
    general = gate.user
    left = general.take(who, at)
    if left == REFUSED:
        reset_s, refusal = _refusal(general, who, at)
        request.limits_told = (gate.user_told, standing_header(standing(general.policy.name, 0, reset_s)))
        raise refusal
    stands = standing(general.policy.name, left, general.ends_in_s(at))
    match = request.resolver_match
    own = gate.of_users.get((request.method, match.route)) if match is not None else None
    if own is None:
        request.limits_told = (gate.user_told, standing_header(stands))
        return
    counter, told = own
    own_left, own_reset_s, own_refusal = counter.take(who, at), counter.ends_in_s(at), None
    if own_left == REFUSED:
        own_left = 0
        own_reset_s, own_refusal = _refusal(counter, who, at)
    request.limits_told = (told, standing_header(stands, standing(counter.policy.name, own_left, own_reset_s)))
    if own_refusal is not None:
        raise own_refusal


def count_key(request: Any, key_id: ApiKeyId, requests_per_minute: int | None) -> None:
    """Count a request of a program, by its key.

    Args:
        request: the request.
        key_id: its key.
        requests_per_minute: the key's own limit, which holds where it is below the general one.

    Raises:
        Throttled: one too many.
    """
    at, who, counter = _now(), key_id.binary, _gate().key
    policy = counter.policy
    if requests_per_minute is not None and requests_per_minute < policy.amount:
        policy = Policy(policy.name, requests_per_minute, policy.seconds)
    left, reset_s, refusal = counter.take(who, at, policy.amount), counter.ends_in_s(at), None
    if left == REFUSED:
        left = 0
        reset_s, refusal = _refusal(counter, who, at, policy.amount)
    request.limits_told = (
        policy_header((policy,)),
        standing_header(standing(policy.name, left, reset_s)),
        *openai_headers(policy.amount, left, reset_s),
    )
    if refusal is not None:
        raise refusal


def count_stranger(request: Any) -> None:
    """Count a request that nobody is signed in for, by its address: at a public route, or with nothing that lets in.

    Raises:
        Throttled: one too many.
    """
    gate, at = _gate(), _now()
    match = request.resolver_match
    own = gate.of_addresses.get((request.method, match.route)) if match is not None else None
    counter = gate.address if own is None else own
    who = throttle_key(device_of(request).address)
    left, reset_s, refusal = counter.take(who, at), counter.ends_in_s(at), None
    if left == REFUSED:
        left = 0
        reset_s, refusal = _refusal(counter, who, at)
    request.limits_told = (
        policy_header((counter.policy,)),
        standing_header(standing(counter.policy.name, left, reset_s)),
    )
    if refusal is not None:
        raise refusal


def count_socket(address: str) -> None:
    """Count a socket that is opened from the address.

    Raises:
        Throttled: one too many.
    """
    _count(_gate().sockets, throttle_key(address))


def count_frame(user_id: UserId, *, starts_run: bool) -> None:
    """Count a frame as the request that it stands for.

    Raises:
        Throttled: one too many.
    """
    gate = _gate()
    _count(gate.user, user_id.binary)
    if starts_run:
        _count(gate.runs, user_id.binary)


async def share_now() -> None:
    """Tell the other processes what was counted here, and hear of theirs, without waiting for the moment."""
    await _gate().sharing.exchange()


async def close_limits() -> None:
    """Leave what was counted to the processes that go on."""
    await _gate().sharing.close()


def forget_all() -> None:
    """Begin anew, with the settings as they are now."""
    if _Made.gate is not None:
        _Made.gate.sharing.forget_all()
    _Made.gate = None


class _Made:
    gate: _Gate | None = None


def _gate() -> _Gate:
    gate = _Made.gate
    if gate is None:
        gate = _Made.gate = _Gate()
    return gate


def _now() -> float:
    return time.monotonic() + _EPOCH


def _count(counter: Counter, who: Who) -> None:
    at = _now()
    if counter.take(who, at) == REFUSED:
        raise _refusal(counter, who, at)[1]


def _refusal(counter: Counter, who: Who, at: float, amount: int | None = None) -> tuple[int, Throttled]:
    """When to come back, in whole seconds, and the error that says so."""
    wait_s = max(0.1, counter.wait_s(who, at, amount))
    return math.ceil(wait_s), Throttled(_TOO_MANY, retry_after_s=math.ceil(wait_s * 10) / 10)


def _nobody_hears(_window: Window) -> None:
    """There is no Redis, and one process."""
