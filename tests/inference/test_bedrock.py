"""Amazon Bedrock over real HTTP on loopback, with AWS's own package in between: its errors, connections and keys."""

import asyncio
import inspect
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from botocore import exceptions as botos
from botocore.parsers import ResponseParserError

from eloquent.foundation.config import get_config
from eloquent.foundation.logs import configure_logging
from inference.errors import (
    InferenceError,
    ModelAccessDenied,
    ModelBusy,
    ModelFailed,
    ModelMissing,
    ModelTimeout,
    ModelUnreachable,
    PromptRejected,
    PromptTooLong,
    VendorError,
)
from inference.providers.bedrock import Bedrock
from inference.providers.bedrock_errors import failure_of, refused
from inference.providers.bedrock_models import shown_name, window_of
from inference.providers.configured import configured_providers
from inference.retries import pause_before_retry_s
from inference.types import Image, PromptMessage, PromptRequest, TextDelta, Tool
from tests.inference.replay import ReplayServer, Reply, recorded
from tests.inference.rigs import ASKED, collected, provider_at, text_of

PATH = "/model/a-model/converse-stream"
ANSWER = recorded("bedrock_answer")


@pytest_asyncio.fixture
async def bedrock(replay: ReplayServer) -> AsyncIterator[Bedrock]:
    replay.replies[PATH] = ANSWER.reply()
    provider = Bedrock(["a-model"], region="eu-west-1", endpoint_url=replay.url)
    yield provider
    await provider.aclose()


def refusal(status: int, code: str, words: str, **headers: str) -> Reply:
    body = json.dumps({"message": words}).encode()
    head = [
        f"HTTP/1.1 {status} Whatever",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *([f"x-amzn-ErrorType: {code}:http://internal.amazon.com/coral/com.amazon.bedrock/"] if code else []),
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return Reply("\r\n".join([*head, "", ""]).encode() + body)


REFUSALS = [
    (429, "ThrottlingException", "Too many requests, please wait before trying again.", ModelBusy),
    (429, "ModelNotReadyException", "Model is not ready for inference.", ModelBusy),
    (400, "ServiceQuotaExceededException", "Too many tokens per day.", ModelBusy),
    (503, "ServiceUnavailableException", "Bedrock is unable to process your request.", ModelBusy),
    (403, "AccessDeniedException", "You don't have access to the model.", ModelAccessDenied),
    (403, "UnrecognizedClientException", "The security token included in the request is invalid.", ModelAccessDenied),
    (403, "ExpiredTokenException", "The security token included in the request is expired", ModelAccessDenied),
    (403, "InvalidSignatureException", "Signature expired: 20261124 is now earlier", ModelAccessDenied),
    (400, "IncompleteSignature", "Authorization header requires", ModelAccessDenied),
    (404, "ResourceNotFoundException", "Model not found.", ModelMissing),
    (400, "ValidationException", "The provided model identifier is invalid.", ModelMissing),
    (400, "ValidationException", "Invocation with on-demand throughput isn’t supported.", ModelMissing),
    (400, "ValidationException", "Invocation with on-demand throughput isn't supported.", ModelMissing),
    (400, "ValidationException", "The text field in the ContentBlock object is blank.", PromptRejected),
    (400, "ValidationException", "Input is too long for requested model.", PromptTooLong),
    (400, "ValidationException", "prompt is too long: 200049 tokens > 200000 maximum", PromptTooLong),
    (400, "ValidationException", "input length and `max_tokens` exceed context limit: 9 + 9 > 10", PromptTooLong),
    (400, "ValidationException", "This model's maximum context length is 8192 tokens.", PromptTooLong),
    (408, "ModelTimeoutException", "Processing time exceeded the model timeout length.", ModelTimeout),
    (424, "ModelErrorException", "An error occurred while processing the model.", ModelFailed),
    (500, "InternalServerException", "An internal server error occurred.", ModelFailed),
    (502, "", "Bad gateway", ModelFailed),
    (400, "AnExceptionOfNextYear", "words of next year", PromptRejected),
    (418, "AnExceptionOfNextYear", "words of next year", ModelFailed),
]


@pytest.mark.parametrize(("status", "code", "words", "expected"), REFUSALS)
async def test_every_refusal_is_told_apart(
    replay: ReplayServer, bedrock: Bedrock, status: int, code: str, words: str, expected: type[InferenceError]
) -> None:
    replay.replies[PATH] = refusal(status, code, words)
    events, error = await collected(bedrock.answer(ASKED))
    assert (events, type(error)) == ([], expected)
    assert isinstance(error.__cause__, VendorError)
    assert words in error.__cause__.text
    assert words not in error.detail
    assert len(replay.requests) == 1, "the router asks again, and nobody else"


def test_every_error_that_bedrock_documents_is_in_that_table() -> None:
    from botocore.session import Session

    operation = Session().get_service_model("bedrock-runtime").operation_model("ConverseStream")
    assert {shape.name for shape in operation.error_shapes} <= {code for _, code, _, _ in REFUSALS}


async def test_being_throttled_says_when_to_ask_again(replay: ReplayServer, bedrock: Bedrock) -> None:
    replay.replies[PATH] = refusal(429, "ThrottlingException", "Too many requests", Retry_After="7")
    _, error = await collected(bedrock.answer(ASKED))
    assert isinstance(error, ModelBusy)
    assert error.extra["retry_after_s"] == 7
    assert (pause_before_retry_s(error, 1) or 0) >= 7


async def test_the_time_that_a_model_took_in_vain_is_told(replay: ReplayServer, bedrock: Bedrock) -> None:
    error = refused("a-model", "ModelTimeoutException", "m", waited_s=61.0)
    assert "61 s" in error.detail
    replay.replies[PATH] = refusal(408, "ModelTimeoutException", "m")
    _, error = await collected(bedrock.answer(ASKED))
    assert 0 < error.extra["waited_s"] < 30
    assert pause_before_retry_s(error, 1) is None


BY_CLASS: dict[str, type[InferenceError]] = {
    "EndpointConnectionError": ModelUnreachable,
    "ConnectTimeoutError": ModelUnreachable,
    "ConnectionClosedError": ModelUnreachable,
    "ReadTimeoutError": ModelUnreachable,
    "ResponseStreamingError": ModelUnreachable,
    "HTTPClientError": ModelUnreachable,
    "SSLError": ModelUnreachable,
    "ProxyConnectionError": ModelUnreachable,
    "NoCredentialsError": ModelAccessDenied,
    "PartialCredentialsError": ModelAccessDenied,
    "CredentialRetrievalError": ModelAccessDenied,
    "MetadataRetrievalError": ModelAccessDenied,
    "RefreshWithMFAUnsupportedError": ModelAccessDenied,
    "NoAuthTokenError": ModelAccessDenied,
    "TokenRetrievalError": ModelAccessDenied,
    "SSOTokenLoadError": ModelAccessDenied,
    "UnauthorizedSSOTokenError": ModelAccessDenied,
    "LoginRefreshRequired": ModelAccessDenied,
    "ProfileNotFound": ModelAccessDenied,
    "ConfigParseError": ModelAccessDenied,
    "NoRegionError": ModelAccessDenied,
    "InvalidRegionError": ModelAccessDenied,
    "EndpointProviderError": ModelAccessDenied,
    "InvalidProxiesConfigError": ModelAccessDenied,
    "ParamValidationError": PromptRejected,
    "RangeError": PromptRejected,
    "CapacityNotAvailableError": ModelBusy,
    "IncompleteReadError": ModelFailed,
    "ChecksumError": ModelFailed,
}
_OF_NOBODY = {"UndefinedModelAttributeError", "MissingServiceIdError"}
"""Not AWS's errors in its own tree: bugs."""


def made(kind: type[Exception]) -> Exception:
    """One of them without what its sentence is made of."""
    error = kind.__new__(kind)
    Exception.__init__(error, "said at /srv")
    return error


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for _, kind in inspect.getmembers(botos, inspect.isclass)
        if issubclass(kind, Exception) and not issubclass(kind, Warning | botos.ClientError)
    ],
)
def test_every_error_of_awss_package_is_one_of_ours(kind: type[Exception]) -> None:
    if not kind.__module__.startswith("botocore"):
        pytest.skip("another package's, imported there")
    failed = failure_of("a-model", made(kind), waited_s=1)
    if kind.__name__ in _OF_NOBODY:
        assert failed is None
        return
    assert isinstance(failed, BY_CLASS.get(kind.__name__, InferenceError))
    assert isinstance(failed.__cause__, VendorError)
    assert kind.__name__ in failed.__cause__.text
    assert "/srv" not in failed.detail


def test_that_table_names_errors_that_there_are() -> None:
    assert all(hasattr(botos, name) for name in BY_CLASS)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (aiohttp.ClientPayloadError("half"), ModelUnreachable),
        (aiohttp.ServerDisconnectedError(), ModelUnreachable),
        (ConnectionResetError(), ModelUnreachable),
        (TimeoutError(), ModelUnreachable),
        (ResponseParserError("no JSON"), ModelFailed),
        (ModuleNotFoundError("No module named 'aiobotocore'"), ModelAccessDenied),
        (KeyError("a bug"), None),
        (ValueError("a bug"), None),
    ],
    ids=repr,
)
def test_other_errors_are_the_connections_or_ours_to_mend(error: Exception, expected: type | None) -> None:
    failed = failure_of("a-model", error, waited_s=1)
    assert (type(failed) if failed else None) == expected


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "InvalidIdentityToken", ModelAccessDenied),
        (403, "AccessDenied", ModelAccessDenied),
        (400, "ValidationError", ModelAccessDenied),
        (429, "Throttling", ModelBusy),
        (503, "ServiceUnavailable", ModelBusy),
        (500, "InternalFailure", ModelFailed),
    ],
)
def test_what_keeps_credentials_away_is_no_fault_of_the_question(
    status: int, code: str, expected: type[InferenceError]
) -> None:
    told: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = botos.ClientError(told, "AssumeRoleWithWebIdentity")
    assert type(failure_of("a-model", error, waited_s=1)) is expected


async def test_without_credentials_nothing_is_sent_and_the_operator_is_named(
    replay: ReplayServer, bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    events, error = await collected(bedrock.answer(ASKED))
    assert (events, type(error)) == ([], ModelAccessDenied)
    assert "no AWS credentials" in str(error.__cause__)
    with pytest.raises(ModelAccessDenied):
        await bedrock.models()
    assert replay.requests == []
    begun = bedrock._session
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    _, error = await collected(bedrock.answer(ASKED))
    assert error is None, "credentials that come later, such as a role's, are found"
    assert bedrock._session is begun, "what was read for the client is not read again"


async def test_an_api_key_of_bedrock_stands_in_for_other_credentials(
    replay: ReplayServer, bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "not-a-key")
    assert len(await bedrock.models()) == 1
    _, error = await collected(bedrock.answer(ASKED))
    assert error is None
    assert replay.requests[-1].headers["authorization"] == "Bearer not-a-key"


async def test_without_a_region_the_operator_is_named(replay: ReplayServer) -> None:
    provider = Bedrock(["a-model"])
    events, error = await collected(provider.answer(ASKED))
    assert (events, type(error)) == ([], ModelAccessDenied)
    assert "region" in str(error.__cause__)
    with pytest.raises(ModelAccessDenied):
        await provider.models()


async def test_without_awss_package_the_operator_is_named(bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiobotocore.session", None)
    events, error = await collected(bedrock.answer(ASKED))
    assert (events, type(error)) == ([], ModelAccessDenied)
    assert "aiobotocore" in str(error.__cause__)


def test_awss_package_is_not_loaded_by_those_who_do_not_ask_bedrock() -> None:
    told = "import inference.catalog, sys; print(sorted({'aiobotocore', 'botocore'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


async def test_what_is_asked_is_signed_for_the_region_and_whole(replay: ReplayServer, bedrock: Bedrock) -> None:
    picture = Image("image/png", b"\x89PNG")
    tool = Tool("weather", "", {"type": "object"})
    question = PromptMessage("user", "What is this?", images=(picture,))
    request = PromptRequest("a-model", (PromptMessage("system", "Be brief."), question), tools=(tool,))
    _, error = await collected(bedrock.answer(request))
    assert error is None
    sent = replay.requests[0]
    assert "/eu-west-1/bedrock/aws4_request" in sent.headers["authorization"]
    assert sent.headers["accept-encoding"] == "identity"
    assert sent.json() == {
        "messages": [
            {
                "role": "user",
                "content": [{"text": "What is this?"}, {"image": {"format": "png", "source": {"bytes": "iVBORw=="}}}],
            }
        ],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"maxTokens": 2048},
        "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]},
    }


async def test_awss_package_writes_nothing_of_what_is_asked_into_the_log(
    bedrock: Bedrock, caplog: pytest.LogCaptureFixture
) -> None:
    debugging = get_config().model_copy(update={"log_level": "DEBUG"})
    loggers = configure_logging(debugging)["loggers"]
    with ExitStack() as quiet:
        for name in ("aiobotocore", "botocore"):
            quiet.enter_context(caplog.at_level(loggers[name]["level"], logger=name))
        quiet.enter_context(caplog.at_level(logging.DEBUG))
        _, error = await collected(bedrock.answer(ASKED))
    assert error is None
    assert [record.name for record in caplog.records if "botocore" in record.name] == []


ARN = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3d4e5f6"


async def test_an_arn_is_asked_whole_and_shown_without_the_account(replay: ReplayServer) -> None:
    path = "/model/" + ARN.replace(":", "%3A").replace("/", "%2F") + "/converse-stream"
    replay.replies[path] = ANSWER.reply()
    provider = Bedrock([ARN, "eu.amazon.nova-lite-v1:0"], region="eu-west-1", endpoint_url=replay.url)
    async with aclosing(provider):
        listed = await provider.models()
        assert [(model.name, model.context_window) for model in listed] == [
            ("a1b2c3d4e5f6", None),
            ("eu.amazon.nova-lite-v1:0", 300_000),
        ]
        events, error = await collected(provider.answer(PromptRequest("a1b2c3d4e5f6", ASKED.messages)))
        assert (text_of(events), error) == ("Sunlight scatters — blue most", None)


async def test_a_model_that_is_not_named_is_not_asked_for(replay: ReplayServer, bedrock: Bedrock) -> None:
    _, error = await collected(bedrock.answer(PromptRequest("another-model", ASKED.messages)))
    assert type(error) is ModelMissing
    assert replay.requests == []


async def test_many_answers_at_once_share_one_client_and_none_waits_for_another(
    replay: ReplayServer, bedrock: Bedrock
) -> None:
    """AWS's package would keep ten connections and let the others wait in silence."""
    gate = asyncio.Event()
    replay.replies[PATH] = ANSWER.reply(gates={0: gate})
    answers = [asyncio.ensure_future(collected(bedrock.answer(ASKED))) for _ in range(25)]
    async with asyncio.timeout(10):
        await replay.until(requests=25)
    gate.set()
    for events, error in await asyncio.gather(*answers):
        assert (text_of(events), error) == ("Sunlight scatters — blue most", None)


async def test_words_are_told_while_the_model_is_still_slow_with_the_next(
    replay: ReplayServer, bedrock: Bedrock
) -> None:
    wire = ANSWER.wire()
    first = wire.index(b"\r\n", wire.index(b"Sunlight")) + 2
    gate = asyncio.Event()
    replay.replies[PATH] = ANSWER.reply(gates={first: gate})
    async with aclosing(bedrock.answer(ASKED)) as events:
        async with asyncio.timeout(20):
            assert await anext(events) == TextDelta("Sunlight")
        gate.set()
        rest, error = await collected(events)
    assert (text_of(rest), error) == (" scatters — blue most", None)


async def test_when_it_is_closed_its_connections_are(replay: ReplayServer, bedrock: Bedrock) -> None:
    replay.replies[PATH] = ANSWER.reply(gates={0: asyncio.Event()})
    asking = asyncio.ensure_future(collected(bedrock.answer(ASKED)))
    await replay.until(requests=1)
    await bedrock.aclose()
    await replay.until(hung_up=1)
    _, error = await asking
    assert isinstance(error, InferenceError)
    await bedrock.aclose()


async def test_who_was_closed_can_be_asked_again(replay: ReplayServer, bedrock: Bedrock) -> None:
    for _ in range(2):
        _, error = await collected(bedrock.answer(ASKED))
        assert error is None
        await bedrock.aclose()


async def test_behind_a_proxy_only_an_answer_tells_whether_bedrock_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert len(await provider_at("bedrock", "http://127.0.0.1:9").models()) == 1


@pytest.mark.parametrize(
    ("model_id", "window"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", 200_000),
        ("anthropic.claude-3-haiku-20240307-v1:0:48k", 48_000),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", 200_000),
        ("anthropic.claude-sonnet-4-20250514-v1:0", 200_000),
        ("global.anthropic.claude-opus-4-6-v1", 1_000_000),
        ("apac.amazon.nova-micro-v1:0", 128_000),
        ("amazon.nova-2-lite-v1:0", 1_000_000),
        ("meta.llama3-8b-instruct-v1:0", 8_192),
        ("us.meta.llama3-1-8b-instruct-v1:0", 128_000),
        ("mistral.mistral-large-2402-v1:0", 32_000),
        ("openai.gpt-oss-120b-1:0", 128_000),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", 300_000),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0", 300_000),
        (ARN, None),
        ("anthropic.claude-of-next-year-v1:0", None),
        ("notamazon.nova-pro", None),
    ],
)
def test_a_window_is_told_for_families_that_are_known(model_id: str, window: int | None) -> None:
    assert window_of(model_id) == window
    assert "123456789012" not in shown_name(model_id)


def test_the_settings_make_it_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEDROCK_MODEL_ID", "us.amazon.nova-lite-v1:0, us.amazon.nova-micro-v1:0")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("BEDROCK_ENDPOINT_URL", "http://127.0.0.1:1")
    regions = []
    for region in (None, "us-east-1"):
        if region:
            monkeypatch.setenv("BEDROCK_REGION", region)
        get_config.cache_clear()
        (provider,) = [each for each in configured_providers() if isinstance(each, Bedrock)]
        regions.append(provider._region)
    get_config.cache_clear()
    assert regions == ["eu-west-1", "us-east-1"]
    assert provider._names == ["us.amazon.nova-lite-v1:0", "us.amazon.nova-micro-v1:0"]
    assert provider._endpoint_url == "http://127.0.0.1:1"
