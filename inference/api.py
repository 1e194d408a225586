"""The language models over HTTP, and what a user has spent on them."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from eloquent.foundation.ids import UserId
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import json_reply
from inference.billing.reports import usage_report_of
from inference.catalog import models_for
from inference.schemas import ModelList, ReportDays, UsageReportOut, model_out, report_out

router = Router(tags=["models"])


def _user_of(request: HttpRequest) -> UserId:
    """Who asks. The roof puts the router behind sign-in: this app knows nothing of accounts."""
    identity: Any = request.auth  # type: ignore[attr-defined]  # set by ninja
    user_id: UserId = identity.user_id
    return user_id


@router.get(
    "/models",
    response={200: ModelList, **problems(401)},
    operation_id="list_models",
    summary="List the language models offered",
)
async def list_models(request: HttpRequest) -> HttpResponse:
    """Those that you may use now. A server that is down hides its own models only."""
    items = [model_out(model) for model in await models_for(_user_of(request))]
    return json_reply({"items": items, "next_cursor": None})


@router.get(
    "/me/usage",
    response={200: UsageReportOut, **problems(401, 422)},
    operation_id="read_usage",
    summary="Read the own usage and budgets",
    tags=["usage"],
)
async def read_usage(request: HttpRequest, days: ReportDays = 30) -> HttpResponse:
    """Tokens and money of the last `days` days of UTC, today with them, by day and model; and what budgets have left.

    What an answer at work may cost is `held`; it is used or given back when the answer is over.
    """
    return json_reply(report_out(await usage_report_of(_user_of(request), days=days)))
