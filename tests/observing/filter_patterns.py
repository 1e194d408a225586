"""The part of CloudWatch's filter patterns that ours use: strings compared, joined by `&&`, `||` and parentheses.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html

Anything else is refused rather than guessed: other comparisons, fields inside of fields, a `*` anywhere but alone, and
`&&` beside `||` without parentheses that say which comes first.
"""

import json
import re
from collections.abc import Callable
from typing import Any

Matcher = Callable[[dict[str, Any]], bool]

_TOKEN = re.compile(r'\s*(&&|\|\||[(){}]|\$\.[A-Za-z_]\w*|=|"[^"\\]*")')


class UnknownSyntax(ValueError):
    """The pattern has something that is not read here."""


def matches(pattern: str, line: str) -> bool:
    """Whether CloudWatch would count the line.

    Raises:
        UnknownSyntax: the pattern is beyond the part that is read here.
    """
    tokens = _tokens(pattern)
    _expect(tokens, "{")
    matcher = _joined(tokens)
    _expect(tokens, "}")
    if tokens:
        raise UnknownSyntax(pattern)
    try:
        found = json.loads(line)
    except ValueError:
        return False
    return isinstance(found, dict) and matcher(found)


def _tokens(pattern: str) -> list[str]:
    tokens, at = [], 0
    while at < len(pattern.rstrip()):
        if not (found := _TOKEN.match(pattern, at)):
            raise UnknownSyntax(pattern[at:])
        tokens.append(found[1])
        at = found.end()
    return tokens


def _expect(tokens: list[str], token: str) -> None:
    if not tokens or tokens.pop(0) != token:
        raise UnknownSyntax(f"{token} is missing")


def _joined(tokens: list[str]) -> Matcher:
    parts, by = [_term(tokens)], set()
    while tokens and tokens[0] in ("&&", "||"):
        by.add(tokens.pop(0))
        parts.append(_term(tokens))
    if len(by) > 1:
        raise UnknownSyntax("&& beside ||")
    together = any if by == {"||"} else all
    return lambda line: together(part(line) for part in parts)


def _term(tokens: list[str]) -> Matcher:
    if tokens and tokens[0] == "(":
        tokens.pop(0)
        inner = _joined(tokens)
        _expect(tokens, ")")
        return inner
    if len(tokens) < 3 or not tokens[0].startswith("$.") or tokens[1] != "=" or not tokens[2].startswith('"'):
        raise UnknownSyntax(" ".join(tokens[:3]))
    name, value = tokens[0].removeprefix("$."), tokens[2].strip('"')
    del tokens[:3]
    if value == "*":
        return lambda line: isinstance(line.get(name), str)
    if "*" in value:
        raise UnknownSyntax(value)
    return lambda line: line.get(name) == value
