"""Pictures in OpenAI's chat completions: they come inside the request, as `data:` URLs. Pure; nothing is fetched.

The format: https://platform.openai.com/docs/guides/images-vision. What a picture is, its bytes decide
(`chat.attachments.kinds`), whatever the URL says.
"""

import binascii
import re
from typing import Final, NamedTuple

from chat.attachments.kinds import PICTURES, Broken, UnknownKind, kind_of
from chat.errors import BadCompletionRequest
from inference.types import Image

MOST_PICTURES: Final = 32
"""In one request, earlier turns' among them: a program sends the whole conversation each time."""
_DATA_URL: Final = re.compile(r"data:[^,;]{0,100}(?:;[^,;]{0,100}){0,4};base64,", re.IGNORECASE)
_BEGINS: Final = b'"data:'
_PICTURES_TAKEN: Final = "PNG, JPEG, GIF or WebP"


class PictureLimits(NamedTuple):
    """What one picture may have at most; pixels are width times height."""

    most_bytes: int
    most_pixels: int


def words_bytes(body: bytes) -> int:
    """How many bytes of a request are not data in base64: what a parser has work with.

    Only as many pieces of data are left out as there may be pictures.
    """
    words, at = len(body), 0
    for _ in range(MOST_PICTURES):
        begin = body.find(_BEGINS, at)
        end = body.find(b'"', begin + len(_BEGINS))
        if begin < 0 or end < 0:
            break
        words -= end - begin
        at = end + 1
    return words


def picture_in(url: str, limits: PictureLimits, where: str) -> Image:
    """The picture in a `data:` URL.

    Raises:
        BadCompletionRequest: the URL leads elsewhere, or what is in it is no picture, a broken one or one too large.
    """
    match = _DATA_URL.match(url)
    if match is None:
        raise _wrong(
            where,
            "pictures are sent inside the request, as “data:image/png;base64,…”; other addresses are not fetched",
            reason="invalid_image_url",
        )
    payload = url[match.end() :]
    if len(payload) // 4 * 3 - 2 > limits.most_bytes:
        raise _wrong(where, f"a picture has at most {limits.most_bytes:,} bytes", reason="image_too_large")
    try:
        content = binascii.a2b_base64(payload, strict_mode=True)
    except ValueError:  # binascii.Error, and letters beyond ASCII
        raise _wrong(where, "what follows “base64,” is no base64", reason="invalid_base64") from None
    if len(content) > limits.most_bytes:
        raise _wrong(where, f"a picture has at most {limits.most_bytes:,} bytes", reason="image_too_large")
    try:
        kind = kind_of(content)
    except (UnknownKind, Broken) as error:
        what = "is incomplete or damaged" if isinstance(error, Broken) else f"is no {_PICTURES_TAKEN}"
        raise _wrong(where, f"this picture {what}", reason="invalid_image") from None
    if kind.media_type not in PICTURES:
        raise _wrong(where, f"this picture is no {_PICTURES_TAKEN}", reason="invalid_image")
    if (kind.width or 0) * (kind.height or 0) > limits.most_pixels:
        size = f"{kind.width:,} x {kind.height:,} pixels, where {limits.most_pixels:,} in all are allowed"
        raise _wrong(where, f"this picture is too large: {size}", reason="image_too_large")
    return Image(kind.media_type, content)


def _wrong(param: str, sentence: str, *, reason: str) -> BadCompletionRequest:
    return BadCompletionRequest(f"{param}: {sentence}.", param=param, reason=reason)
