"""Charts as SVG, readable on light and on dark pages. Pure.

A chart's title says what was found, its axes carry units, a target is a dashed line with its words. Three series at
most: each has its own colour and is named at its end or in the legend.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, Protocol, TypeGuard

WIDTH: Final = 760
_BAR: Final = 18
_BETWEEN_GROUPS: Final = 14
_LEFT: Final = 24
_RIGHT: Final = 24
_TITLE_CHARS: Final = 76
_SUBTITLE_CHARS: Final = 104

_STYLE: Final = """
.page{fill:#fcfcfb}.ink{fill:#1f2328}.muted{fill:#59636e}.grid{stroke:#e4e6e9}.axis{stroke:#8c959f}
.target{stroke:#59636e;stroke-dasharray:5 4;stroke-width:1.5}
.fill0{fill:#2a78d6}.fill1{fill:#d9622b}.fill2{fill:#16966a}
.line0{stroke:#2a78d6}.line1{stroke:#d9622b}.line2{stroke:#16966a}
.line{fill:none;stroke-width:2.5;stroke-linejoin:round;stroke-linecap:round}.dot{stroke:#fcfcfb;stroke-width:1.5}
text{font:13px system-ui,-apple-system,"Segoe UI","Noto Sans",sans-serif}.small{font-size:12px}
.label{paint-order:stroke;stroke:#fcfcfb;stroke-width:4}.title{font-size:16px;font-weight:600}
@media (prefers-color-scheme:dark){
.page{fill:#151719}.ink{fill:#e8e9ea}.muted{fill:#a3abb3}.grid{stroke:#2d3135}.axis{stroke:#6b737b}
.target{stroke:#a3abb3}.fill0{fill:#4b95ee}.fill1{fill:#e9793f}.fill2{fill:#2fb587}
.line0{stroke:#4b95ee}.line1{stroke:#e9793f}.line2{stroke:#2fb587}.dot,.label{stroke:#151719}}
"""


class Chart(Protocol):
    """A picture with a file name (without its ending) and a title."""

    @property
    def name(self) -> str:
        """What its file is called."""

    @property
    def title(self) -> str:
        """What was found."""

    def svg(self) -> str:
        """The file's text."""


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one thing: (x, y) in a line chart; in a bar chart a value for each category, None where there is none.

    The optional index is the colour's, so that the same thing has the same colour in every chart.
    """

    name: str
    values: Sequence[float | None] = ()
    points: Sequence[tuple[float, float]] = ()
    colour: int | None = None


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars in groups. `targets` has a bound for each category, None where there is none."""

    name: str
    title: str
    subtitle: str
    x_label: str
    categories: Sequence[str]
    series: Sequence[Series]
    targets: Sequence[float | None] = ()
    target_words: str = "target"

    def svg(self) -> str:
        """See `Chart`."""
        group = _BAR * len(self.series) + _BETWEEN_GROUPS
        left = _LEFT + 8 + min(300, max(_width_of(line) for c in self.categories for line in _wrapped(c)))
        head, top = _head(self.title, self.subtitle, self.series, self.target_words if any(self.targets) else "")
        bottom = top + group * len(self.categories) + 4
        values = [value for series in self.series for value in series.values] + list(self.targets)
        largest = max((value for value in values if _is_figure(value)), default=1.0)
        ticks = _ticks(largest)
        scale = (WIDTH - _RIGHT - 70 - left) / max(ticks[-1], largest)
        parts = [head]
        for tick in ticks:
            x = left + tick * scale
            parts.append(_line(x, top, x, bottom, "grid"))
            parts.append(_text(x, bottom + 18, _number(tick), "muted small", "middle"))
        for index in range(len(self.categories)):
            parts += self._group(index, left, top + group * index + _BETWEEN_GROUPS / 2, scale)
        parts.append(_line(left, top, left, bottom, "axis"))
        parts.append(_text((left + WIDTH - _RIGHT - 70) / 2, bottom + 38, self.x_label, "muted", "middle"))
        return _page(bottom + 52, parts, self.title)

    def _group(self, index: int, left: float, y: float, scale: float) -> list[str]:
        """One category: its name, bars, the target, and then the figures, so that no line is on them."""
        parts, figures = [], []
        lines = _wrapped(self.categories[index])
        middle = y + _BAR * len(self.series) / 2 + 4 - (len(lines) - 1) * 8
        parts += [_text(left - 8, middle + 16 * at, line, "ink", "end") for at, line in enumerate(lines)]
        for number, series in enumerate(self.series):
            value, bar_y = series.values[index], y + _BAR * number
            if not _is_figure(value):
                figures.append(_text(left + 6, bar_y + 13, "not measured", "muted small label"))
                continue
            colour = number if series.colour is None else series.colour
            width = max(1.0, value * scale)
            size = f'width="{width:.1f}" height="{_BAR - 2}"'
            parts.append(f'<rect class="fill{colour}" x="{left:.1f}" y="{bar_y:.1f}" {size}/>')
            figures.append(_text(left + width + 6, bar_y + 13, _number(value), "ink small label"))
        target = self.targets[index] if self.targets else None
        if _is_figure(target):
            x = left + target * scale
            parts.append(_line(x, y - 4, x, y + _BAR * len(self.series) + 4, "target"))
        return parts + figures


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines over a numeric axis. `ticks` are the places named on it; `log_x` spaces them by their logarithms."""

    name: str
    title: str
    subtitle: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    ticks: Sequence[tuple[float, str]]
    log_x: bool = False
    target: float | None = None
    target_words: str = "target"
    dots: bool = True

    def svg(self) -> str:
        """See `Chart`."""
        head, top = _head(self.title, self.subtitle, self.series if len(self.series) > 1 else (), "")
        top += 26
        left, right, bottom = _LEFT + 64, WIDTH - _RIGHT - 16, top + 260
        largest = max([y for series in self.series for _, y in series.points if _is_figure(y)] + [self.target or 0.0])
        y_ticks = _ticks(largest)
        low, high = (self._place(edge([x for x, _ in self.ticks])) for edge in (min, max))

        def x_of(value: float) -> float:
            return left + (self._place(value) - low) / ((high - low) or 1) * (right - left)

        def y_of(value: float) -> float:
            return bottom - value / max(y_ticks[-1], largest) * (bottom - top)

        parts = [head, _text(_LEFT, top - 16, self.y_label, "muted")]
        for tick in y_ticks:
            parts.append(_line(left, y_of(tick), right, y_of(tick), "grid"))
            parts.append(_text(left - 8, y_of(tick) + 4, _number(tick), "muted small", "end"))
        for value, name in self.ticks:
            parts.append(_line(x_of(value), bottom, x_of(value), bottom + 5, "axis"))
            parts.append(_text(x_of(value), bottom + 20, name, "muted small", "middle"))
        if self.target is not None:
            parts.append(_line(left, y_of(self.target), right, y_of(self.target), "target"))
            # Below the line, so that it cannot run into what the axis measures.
            parts.append(_text(left + 6, y_of(self.target) + 16, self.target_words, "muted small label"))
        for number, series in enumerate(self.series):
            colour = number if series.colour is None else series.colour
            places = [(x_of(x), y_of(y)) for x, y in series.points if _is_figure(y)]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline class="line line{colour}" points="{path}"/>')
            if self.dots:
                parts += [f'<circle class="dot fill{colour}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>' for x, y in places]
        parts.append(_line(left, bottom, right, bottom, "axis"))
        parts.append(_text((left + right) / 2, bottom + 42, self.x_label, "muted", "middle"))
        return _page(bottom + 56, parts, self.title)

    def _place(self, value: float) -> float:
        return math.log(value) if self.log_x else value


def _is_figure(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _head(title: str, subtitle: str, series: Sequence[Series], target_words: str) -> tuple[str, float]:
    """Title, subtitle and legend, and where the plot may begin."""
    parts, y = [], 32.0
    for line in textwrap.wrap(title, _TITLE_CHARS):
        parts.append(_text(_LEFT, y, line, "ink title"))
        y += 21
    for line in textwrap.wrap(subtitle, _SUBTITLE_CHARS):
        parts.append(_text(_LEFT, y, line, "muted small"))
        y += 17
    x = float(_LEFT)
    if len(series) > 1 or target_words:
        y += 8
        for number, one in enumerate(series if len(series) > 1 else ()):
            colour = number if one.colour is None else one.colour
            parts.append(f'<rect class="fill{colour}" x="{x:.1f}" y="{y - 10:.1f}" width="12" height="12" rx="2"/>')
            parts.append(_text(x + 18, y, one.name, "ink"))
            x += 42 + _width_of(one.name)
        if target_words:
            parts.append(_line(x + 5, y - 11, x + 5, y + 3, "target"))
            parts.append(_text(x + 18, y, target_words, "ink"))
        y += 20
    return "".join(parts), y


def _page(height: float, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" role="img"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f'<rect class="page" width="{WIDTH}" height="{height:.0f}" rx="8"/>' + "\n".join(parts) + "</svg>\n"
    )


def _text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _wrapped(category: str) -> list[str]:
    return textwrap.wrap(category, 40)


def _width_of(words: str) -> float:
    """About as wide as the words are in the charts' font."""
    return len(words) * 7.2


def _ticks(largest: float) -> list[float]:
    """Round numbers from zero to the largest or a little less."""
    if largest <= 0:
        return [0.0, 1.0]
    rough = largest / 5
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough)
    count = math.floor(largest / step + 1e-9)
    return [step * number for number in range(count + 1)]


def _number(value: float) -> str:
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"
