"""The REST interface for frontends: one NinjaAPI, one shape of error."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import orjson
import structlog
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.docs import Swagger
from ninja.openapi.schema import OpenAPISchema
from pymongo.errors import PyMongoError

from accounts.activity_routes import router as activity_router
from accounts.api import router as accounts_router
from accounts.api_key_routes import router as api_keys_router
from accounts.authentication import SessionAuth
from accounts.life.own_routes import router as own_account_router
from accounts.life.routes import router as account_life_router
from accounts.openid.api import router as openid_router
from accounts.personal_data.api import router as personal_data_router
from accounts.second_factor.routes import router as second_factor_router
from accounts.second_factor.sign_in_routes import router as second_factor_sign_in_router
from chat.api import router as chat_router
from chat.attachments.api import router as attachments_router
from chat.exports.api import router as exports_router
from chat.imports_api import router as imports_router
from chat.messages_api import router as messages_router
from chat.search.api import router as search_router
from chat.tools_api import router as tools_router
from chat.ui_api import router as ui_router
from eloquent.foundation import content_security
from eloquent.foundation.config import get_config
from eloquent.foundation.errors import EloquentError, InvalidInput, NotFound, Unavailable
from eloquent.openapi import complete
from eloquent.problem_replies import problem_reply
from inference.api import router as inference_router

log = structlog.get_logger(__name__)

DESCRIPTION = """Conversations with language models whose answers are never lost.

Sign in, open a conversation, start a run, and read its answer as server-sent events: chunks of the AI SDK's UI message
stream. A reader may leave and come back with `Last-Event-ID`; the run goes on. Errors are `application/problem+json`
(RFC 9457) with a stable `code`. Lists page by `next_cursor`."""


class Docs(Swagger):
    """Swagger's page, under a policy that lets only its own scripts run."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **options: Any) -> HttpResponse:
        """The page with its policy."""
        response = super().render_page(request, api, **options)
        nonce = content_security.nonce_of(request)
        response.headers[content_security.HEADER] = content_security.docs_policy(nonce, api=_origin_of_api())
        return response


def _origin_of_api() -> str | None:
    url = get_config().next_public_api_url
    return None if url is None else "{0.scheme}://{0.netloc}".format(urlsplit(url))


class Api(NinjaAPI):
    """Ninja's API with a document that tells the truth about refusals."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """The document, made complete (`eloquent.openapi`). Anyone may ask for it, so it is made once."""
        if self._document is None:
            self._document = super().get_openapi_schema(**options)
            complete(self._document)
        return self._document

    _document: OpenAPISchema | None = None


api = Api(
    title="Eloquent AI",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api",
    openapi_url="/openapi.json",
    docs_url="/docs",
    servers=[{"url": url}] if (url := get_config().next_public_api_url) else [],
    docs=Docs(),  # a token that is typed there goes with the page: no `persistAuthorization`
)
api.add_router("/", accounts_router)
api.add_router("/", api_keys_router)
api.add_router("/", account_life_router)
api.add_router("/", own_account_router)
api.add_router("/", openid_router)
api.add_router("/", activity_router)
api.add_router("/", second_factor_sign_in_router)
api.add_router("/", second_factor_router)
api.add_router("/", inference_router, auth=SessionAuth())  # inference knows nothing of accounts
api.add_router("/", chat_router)
api.add_router("/", messages_router)
api.add_router("/", ui_router)
api.add_router("/", tools_router)
api.add_router("/", search_router)
api.add_router("/", exports_router)
api.add_router("/", attachments_router)
api.add_router("/", imports_router)
api.add_router("/", personal_data_router)


@api.exception_handler(EloquentError)
def on_expected_failure(_request: HttpRequest, error: EloquentError) -> HttpResponse:
    """An expected failure; what caused it is logged, never shown."""
    if error.__cause__ is not None or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request failed", code=error.code, status=error.status, exc_info=error)
    return problem_reply(error)


@api.exception_handler(ValidationError)
def on_invalid_input(_request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Input that does not fit its schema. What was sent is not repeated: it may be a password."""
    errors = [{"loc": list(map(str, entry["loc"])), "msg": entry["msg"]} for entry in error.errors]
    return problem_reply(InvalidInput(errors=errors))


@api.exception_handler(HttpError)
def on_http_error(_request: HttpRequest, _error: HttpError) -> HttpResponse:
    """Ninja's own refusals: a body that is not JSON."""
    return problem_reply(InvalidInput("The request's body cannot be read as JSON."))


@api.exception_handler(PyMongoError)
def on_database_away(_request: HttpRequest, error: PyMongoError) -> HttpResponse:
    """MongoDB does not answer, or not as it should."""
    log.warning("database away", exc_info=error)
    return problem_reply(Unavailable(retry_after_s=2))


@api.exception_handler(Http404)
def on_missing(_request: HttpRequest, _error: Http404) -> HttpResponse:
    """A path that leads nowhere."""
    return problem_reply(NotFound())


def openapi_document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the whole interface."""
    document: dict[str, Any] = orjson.loads(orjson.dumps(api.get_openapi_schema(), option=orjson.OPT_NON_STR_KEYS))
    return document
