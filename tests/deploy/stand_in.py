"""Services of AWS that moto has not, asked and answering as botocore describes them.

A field that AWS does not know fails the test.
"""

import copy
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

from botocore.exceptions import ClientError
from botocore.validate import ParamValidator


class StandIn(Protocol):
    """What stands in for a client has its `meta`, and keeps what it was asked."""

    meta: Any
    asked: list[tuple[str, dict[str, Any]]]


def asked_of_aws(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a stand-in: what it is asked and answers is checked, kept in `asked`, and shared with nobody."""
    operation = "".join(part.capitalize() for part in method.__name__.split("_"))

    @wraps(method)
    def checked(self: StandIn, **asked: Any) -> Any:
        model = self.meta.service_model.operation_model(operation)
        _check(asked, model.input_shape)
        self.asked.append((method.__name__, asked))
        answer = method(self, **copy.deepcopy(asked))
        _check(answer, model.output_shape)
        return copy.deepcopy(answer)

    return checked


def _check(value: Any, shape: Any) -> None:
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), report.generate_report()
    assert set(value) <= set(shape.members), set(value) - set(shape.members)


def refusal(operation: str, code: str) -> ClientError:
    """What AWS raises."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)
