"""How an answer is asked for on the command line: options, checked before anybody is asked, and what they stand for."""

import math
import re
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from chat.attachments.kinds import PICTURES, Broken, UnknownKind, kind_of
from inference.types import GenerationOptions, Image, PromptMessage

LARGEST_IMAGE_BYTES: Final = 20 * 1024 * 1024
_SPAN: Final = re.compile(r"-?\d+|\d+(\.\d+)?(ms|s|m|h)")
_LARGEST_SEED: Final = 2**63 - 1


def add_generation_arguments(parser: ArgumentParser) -> None:
    """What goes along with a question. A model that cannot follow an option leaves it out or refuses."""
    system = parser.add_mutually_exclusive_group()
    system.add_argument("--system", metavar="TEXT", help="what the model is told before the question")
    system.add_argument("--system-file", dest="system", type=_text, metavar="FILE", help="the same, from a file")
    parser.add_argument(
        "--temperature", type=_number("a number from 0 to 2", 2), help="0 to 2: how much is left to chance"
    )
    parser.add_argument(
        "--top-p", type=_number("a number from 0 to 1", 1), help="0 to 1: how much of the likely is drawn from"
    )
    parser.add_argument("--max-tokens", type=_count, metavar="N", help="the longest answer, in tokens")
    parser.add_argument("--seed", type=_seed, metavar="N", help="the same chance again, where the server has a seed")
    parser.add_argument("--stop", action="append", type=_words, metavar="TEXT", help="ends the answer; may be repeated")
    parser.add_argument(
        "--thinking", action=BooleanOptionalAction, help="think first (thoughts go to stderr), or do not"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", dest="json_schema", action="store_const", const={}, help="an answer in JSON")
    form.add_argument(
        "--json-schema", type=_schema, metavar="FILE", help="an answer in JSON that fits the schema in FILE"
    )
    parser.add_argument(
        "--image",
        action="append",
        type=_image,
        metavar="FILE",
        help="a PNG, JPEG, GIF or WebP to look at; may be repeated",
    )
    parser.add_argument(
        "--keep-alive", type=_span, metavar="SPAN", help="how long Ollama keeps it loaded: 10m, 3600, -1"
    )


def generation_options(options: dict[str, Any]) -> GenerationOptions:
    """What was asked for; the model's own defaults hold for the rest."""
    return GenerationOptions(
        temperature=options["temperature"],
        top_p=options["top_p"],
        max_output_tokens=options["max_tokens"],
        seed=options["seed"],
        stop=tuple(options["stop"] or ()),
        thinking=options["thinking"],
        json_schema=options["json_schema"],
        keep_alive=options["keep_alive"],
    )


def prompt(question: str, options: dict[str, Any]) -> tuple[PromptMessage, ...]:
    """The turns: what the model is told beforehand, if anything, and the question with its pictures."""
    told = (PromptMessage("system", options["system"]),) if options["system"] else ()
    return (*told, PromptMessage("user", question, images=tuple(options["image"] or ())))


def seconds(text: str) -> float:
    """A span of time that is more than nothing."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0.")
    return value


def _number(what: str, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value <= most:
            raise ArgumentTypeError(f"{text!r} is not {what}.")
        return value

    return read


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no number of tokens, 1 or more.")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) > _LARGEST_SEED:
        raise ArgumentTypeError(f"{text!r} is no whole number from 0 to {_LARGEST_SEED}.")
    return int(text)


def _words(text: str) -> str:
    if not text:
        raise ArgumentTypeError("Nothing cannot end an answer: give a text.")
    return text


def _span(text: str) -> str | int:
    if not _SPAN.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is no span such as 10m, 3600 (seconds) or -1 (for ever).")
    return int(text) if text.lstrip("-").isdigit() else text  # Ollama takes bare seconds as a number alone


def _bytes_of(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ArgumentTypeError(f"{name} cannot be read: {error.strerror}.") from None


def _text(name: str) -> str:
    try:
        return _bytes_of(name).decode()
    except UnicodeDecodeError:
        raise ArgumentTypeError(f"{name} is no text in UTF-8.") from None


def _schema(name: str) -> dict[str, Any]:
    try:
        schema: dict[str, Any] = msgspec.json.decode(_bytes_of(name), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArgumentTypeError(f"{name} is no JSON schema, which is an object: {error}.") from None
    if not schema:
        raise ArgumentTypeError(f"{name} is an empty schema, which any JSON fits: --json asks for that.")
    return schema


def _image(name: str) -> Image:
    content = _bytes_of(name)
    if len(content) > LARGEST_IMAGE_BYTES:
        raise ArgumentTypeError(f"{name} is larger than {LARGEST_IMAGE_BYTES // 1024**2} MiB.")
    try:
        kind = kind_of(content)
    except UnknownKind:
        kind = None
    except Broken:
        raise ArgumentTypeError(f"{name} begins as a picture and is cut off or broken.") from None
    if kind is None or kind.media_type not in PICTURES:
        raise ArgumentTypeError(f"{name} is no picture: a PNG, JPEG, GIF or WebP is expected.")
    return Image(kind.media_type, content)
