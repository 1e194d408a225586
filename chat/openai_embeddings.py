"""OpenAI's embeddings as bytes: requests read, vectors written. Pure.

The format is https://platform.openai.com/docs/api-reference/embeddings. Its clients ask for base64 unless they are told
otherwise: 32-bit floats, the lowest byte first.
"""

import base64
from array import array
from collections.abc import Sequence
from sys import byteorder
from typing import Any, Final, Literal

import msgspec

from chat.errors import BadCompletionRequest
from chat.openai_wire import refuse_by
from inference.tokens import estimated_tokens

MOST_TEXTS: Final = 256

Encoding = Literal["float", "base64"]


class _Body(msgspec.Struct):
    model: str
    input: str | list[Any]
    encoding_format: Encoding | None = None
    dimensions: int | None = None


_BODIES: Final = msgspec.json.Decoder(_Body)


class EmbeddingsRequest(msgspec.Struct, frozen=True):
    """What a client asks for. `model` is a name that the catalog may know."""

    model: str
    texts: list[str]
    encoding: Encoding


def embeddings_request(body: bytes) -> EmbeddingsRequest:
    """The request in a body.

    Raises:
        BadCompletionRequest: it cannot be read, or asks for what we cannot serve; `param` names the field.
    """
    try:
        asked = _BODIES.decode(body)
    except msgspec.ValidationError as error:
        refuse_by(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadCompletionRequest("The body cannot be read as JSON in UTF-8.", reason="invalid_json") from None
    if asked.dimensions is not None:
        raise BadCompletionRequest(
            "“dimensions” is not supported here: vectors are as long as the model makes them.",
            param="dimensions",
            reason="unsupported_parameter",
        )
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    if not 0 < len(texts) <= MOST_TEXTS:
        raise _wrong(f"1 to {MOST_TEXTS} texts are expected")
    if not all(isinstance(text, str) for text in texts):
        raise _wrong("texts are expected; the numbers of tokens mean nothing to a model of another vocabulary")
    if not all(text.strip() for text in texts):
        raise _wrong("a text is empty")
    return EmbeddingsRequest(asked.model, texts, asked.encoding_format or "float")


def embeddings_out(
    model: str,
    vectors: Sequence[Sequence[float]],
    encoding: Encoding,
    *,
    texts: Sequence[str],
    input_tokens: int | None,
) -> dict[str, Any]:
    """The answer. Tokens that the model's server did not count are estimated."""
    tokens = sum(map(estimated_tokens, texts)) if input_tokens is None else input_tokens
    data = [
        {"object": "embedding", "index": index, "embedding": vector if encoding == "float" else _packed(vector)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def _packed(vector: Sequence[float]) -> str:
    floats = array("f", vector)
    if byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()


def _wrong(sentence: str) -> BadCompletionRequest:
    return BadCompletionRequest(f"input: {sentence}.", param="input", reason="invalid_value")
