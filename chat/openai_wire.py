"""OpenAI's chat completions as bytes: requests read, answers written. Pure.

The format is https://platform.openai.com/docs/api-reference/chat. Clients send much that we have no use for: unknown
fields are passed over, and so are those that only hint or label. A field that would change the answer and that we
cannot serve is refused, unless it says what would happen without it.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, NoReturn

import msgspec

from chat.errors import BadCompletionRequest
from chat.openai_pictures import MOST_PICTURES, PictureLimits, picture_in, words_bytes
from chat.openai_tools import Called, OfferedTool, calls_in, result_in, schema_in, tools_in
from eloquent.foundation.errors import PayloadTooLarge
from inference.types import GenerationOptions, Image, PromptMessage, Tool

MOST_WORDS_BYTES: Final = 1024 * 1024
"""Of a request, without the pictures in it."""

_ROLES: Final = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_MOST_STOPS: Final = 8
_LONGEST_STOP: Final = 100
_NULL: Final = msgspec.Raw(b"null")
_LARGEST_INT: Final = 2**63 - 1
# The seeds that every model server takes. The same seed stays the same one.
_SEED_BITS: Final = 2**31 - 1
# Where msgspec says that something stands: `$.messages[0].role`.
_WHERE: Final = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<where>.*)`)?", re.DOTALL)

# What would change the answer, and the values that change nothing. An empty list or object never does.
_UNSERVED: Final[dict[str, tuple[Any, ...]]] = {
    "n": (1,),
    "functions": (),
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
    "audio": (),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": (),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "web_search_options": (),
}

_Tokens = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class _Address(msgspec.Struct):
    url: str


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    image_url: _Address | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[Called] | None = None
    tool_call_id: str | None = None
    function_call: Any = None


class _NamedSchema(msgspec.Struct):
    schema: msgspec.Raw = _NULL


class _ResponseFormat(msgspec.Struct):
    type: str
    json_schema: _NamedSchema | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    max_tokens: _Tokens | None = None
    max_completion_tokens: _Tokens | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    n: Any = None
    tools: list[OfferedTool] | None = None
    functions: Any = None
    tool_choice: Any = None
    function_call: Any = None
    response_format: _ResponseFormat | None = None
    modalities: Any = None
    audio: Any = None
    logprobs: Any = None
    top_logprobs: Any = None
    logit_bias: Any = None
    frequency_penalty: Any = None
    presence_penalty: Any = None
    web_search_options: Any = None


_BODIES: Final = msgspec.json.Decoder(_Body)


class CompletionRequest(msgspec.Struct, frozen=True):
    """What a client asks for. `model` is a name that the catalog may know."""

    model: str
    messages: tuple[PromptMessage, ...]
    options: GenerationOptions
    stream: bool
    include_usage: bool
    tools: tuple[Tool, ...] = ()


def completion_request(body: bytes, limits: PictureLimits) -> CompletionRequest:
    """The request in a body. For one of megabytes this takes a while: call it in a thread.

    Raises:
        BadCompletionRequest: it cannot be read, or asks for what we cannot serve; `param` names the field.
        PayloadTooLarge: it is too large even without its pictures: more than this fits no window.
    """
    if len(body) > MOST_WORDS_BYTES and words_bytes(body) > MOST_WORDS_BYTES:
        _refuse_words()
    try:
        asked = _BODIES.decode(body)
    except msgspec.ValidationError as error:
        refuse_by(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadCompletionRequest("The body cannot be read as JSON in UTF-8.", reason="invalid_json") from None
    for field, harmless in _UNSERVED.items():
        value = getattr(asked, field)
        if value not in (None, [], {}, *harmless):
            raise BadCompletionRequest(
                f"“{field}” is not supported here with this value.", param=field, reason="unsupported_parameter"
            )
    if not asked.messages:
        raise BadCompletionRequest("At least one message is needed.", param="messages", reason="empty_array")
    messages = _prompt_messages(asked.messages, limits)
    if sum(len(each.content) + sum(len(call.arguments) for call in each.tool_calls) for each in messages) > (
        MOST_WORDS_BYTES
    ):
        _refuse_words()  # words that begin as a picture's address does
    return CompletionRequest(
        model=asked.model,
        messages=messages,
        options=GenerationOptions(
            temperature=asked.temperature,
            top_p=asked.top_p,
            max_output_tokens=asked.max_completion_tokens or asked.max_tokens,
            seed=_seed(asked.seed),
            stop=_stops(asked.stop),
            json_schema=_schema(asked.response_format),
        ),
        stream=bool(asked.stream),
        include_usage=asked.stream_options is not None and bool(asked.stream_options.include_usage),
        tools=tools_in(asked.tools, asked.tool_choice),
    )


def _refuse_words() -> NoReturn:
    raise PayloadTooLarge(f"Without its pictures a request has at most {MOST_WORDS_BYTES:,} bytes.")


def refuse_by(told: str) -> NoReturn:
    """Raise a `BadCompletionRequest` of what msgspec told, with the place in `param`."""
    match = _WHERE.fullmatch(told)
    what, where = (match["what"], match["where"]) if match else (told, None)
    missing = what.startswith("Object missing required field")
    field = what.split("`")[1] if missing else None
    param = ".".join(filter(None, (where, field))) or None
    reason = "missing_required_parameter" if missing else "invalid_value"
    raise BadCompletionRequest(f"{param or 'The body'}: {what}.", param=param, reason=reason) from None


def _prompt_messages(messages: Sequence[_Message], limits: PictureLimits) -> tuple[PromptMessage, ...]:
    read: list[PromptMessage] = []
    pictures = 0
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        pictures += sum(part.type == "image_url" for part in message.content or () if isinstance(part, _Part))
        if pictures > MOST_PICTURES:
            raise BadCompletionRequest(
                f"{where}: a request has at most {MOST_PICTURES} pictures.",
                param=f"{where}.content",
                reason="array_above_max_length",
            )
        read.append(_prompt_message(where, message, read, limits))
    return tuple(read)


def _prompt_message(
    where: str, message: _Message, before: Sequence[PromptMessage], limits: PictureLimits
) -> PromptMessage:
    role = _ROLES.get(message.role)
    if role is None:
        raise BadCompletionRequest(
            f"{where}: messages are of the roles {', '.join(_ROLES)}.",
            param=f"{where}.role",
            reason="unsupported_value",
        )
    if message.function_call or (message.tool_calls and role != "assistant"):
        field = f"{where}.{'function_call' if message.function_call else 'tool_calls'}"
        raise BadCompletionRequest(
            f"{field}: calls are an assistant's, and stand in tool_calls.", param=field, reason="unsupported_value"
        )
    calls = calls_in(message.tool_calls, where)
    if message.content is None and not calls:
        raise BadCompletionRequest(
            f"{where}: a text is needed.", param=f"{where}.content", reason="missing_required_parameter"
        )
    text, images = _content(message.content or "", where, limits if role == "user" else None)
    if role == "tool":
        return result_in(text, message.tool_call_id, before, where)
    return PromptMessage(role, text, images, calls)  # type: ignore[arg-type]  # from a closed set


def _content(content: str | list[_Part], where: str, limits: PictureLimits | None) -> tuple[str, tuple[Image, ...]]:
    """The words and the pictures of a message; without limits it may have no pictures."""
    if isinstance(content, str):
        return content, ()
    texts: list[str] = []
    images: list[Image] = []
    for index, part in enumerate(content):
        at = f"{where}.content[{index}]"
        if part.type == "text" and part.text is not None:
            texts.append(part.text)
        elif part.type == "image_url" and part.image_url is not None and limits is not None:
            images.append(picture_in(part.image_url.url, limits, f"{at}.image_url.url"))
        else:
            raise BadCompletionRequest(
                f"{where}: only parts of type “text”, and in a user's messages “image_url”, are supported here.",
                param=at,
                reason="unsupported_content_type",
            )
    return "\n".join(texts), tuple(images)


def _schema(wanted: _ResponseFormat | None) -> dict[str, Any] | None:
    """The schema that the answer has to fit: an empty one is any JSON, None any text."""
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return {}
    if wanted.type != "json_schema":
        raise BadCompletionRequest(
            "response_format.type: “text”, “json_object” or “json_schema” is expected.",
            param="response_format.type",
            reason="invalid_value",
        )
    param = "response_format.json_schema.schema"
    if wanted.json_schema is None or wanted.json_schema.schema == _NULL:
        raise BadCompletionRequest(f"{param}: the schema is missing.", param=param, reason="missing_required_parameter")
    return schema_in(wanted.json_schema.schema, param)


def _seed(seed: int | None) -> int | None:
    if seed is None:
        return None
    if not -_LARGEST_INT <= seed <= _LARGEST_INT:
        raise BadCompletionRequest("seed: an integer of 64 bits is expected.", param="seed", reason="invalid_value")
    return seed & _SEED_BITS


def _stops(stop: str | list[str] | None) -> tuple[str, ...]:
    stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
    if len(stops) > _MOST_STOPS or not all(0 < len(text) <= _LONGEST_STOP for text in stops):
        raise BadCompletionRequest(
            f"stop: at most {_MOST_STOPS} texts of 1 to {_LONGEST_STOP} characters.",
            param="stop",
            reason="invalid_value",
        )
    return stops
