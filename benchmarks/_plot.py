"""Draws the cost of an image by page size, as an SVG, without any library."""

import math
from collections.abc import Mapping
from pathlib import Path

_WIDTH, _HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 120, 40, 50
# Light and dark, each with its own background, so that the text is legible whatever surrounds the picture.
_STYLE = """
svg { --back: #ffffff; --text: #202124; --grid: #dadce0; --generated: #b3261e; --ours: #0b57d0; --floor: #5f6368 }
@media (prefers-color-scheme: dark) {
svg { --back: #131416; --text: #e3e3e3; --grid: #3c4043; --generated: #f2b8b5; --ours: #a8c7fa; --floor: #9aa0a6 }
}
text { font: 13px sans-serif }
polyline { fill: none; stroke-width: 2 }
.floor { stroke-dasharray: 5 5 }
"""
_CONTENDERS = ("generated", "ours", "floor")  # as they lie above each other


def draw(costs: Mapping[str, Mapping[int, float]], target: Path) -> None:
    """Draw seconds by contender and page size as microseconds per image, both axes logarithmic."""
    lines = {
        name: [(math.log10(size), math.log10(cost / size * 1e6)) for size, cost in by_size.items()]
        for name, by_size in costs.items()
    }
    points = [point for line in lines.values() for point in line]
    x_max = max(x for x, _ in points)
    y_min, y_max = math.floor(min(y for _, y in points)), math.ceil(max(y for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        across, down = x / x_max, (y_max - y) / (y_max - y_min)
        return (
            round(_LEFT + across * (_WIDTH - _LEFT - _RIGHT), 1),
            round(_TOP + down * (_HEIGHT - _TOP - _BOTTOM), 1),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        "<title>CPU time per image by page size</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" style="fill: var(--back)"/>',
        _text(_LEFT, 22, "CPU time per image (µs), by images on a page", "start"),
    ]
    for exponent in range(math.floor(x_max) + 1):
        x, y = place(exponent, y_min)
        parts += [_line(x, _TOP, x, y), _text(x, y + 20, f"{10**exponent:,}")]
    for exponent in range(y_min, y_max + 1):
        x, y = place(0, exponent)
        parts += [_line(x, y, _WIDTH - _RIGHT, y), _text(x - 8, y + 4, f"{10**exponent:,}", "end")]
    for name in _CONTENDERS:
        path = " ".join(f"{x},{y}" for x, y in (place(*point) for point in lines[name]))
        parts.append(f'<polyline points="{path}" class="{name}" style="stroke: var(--{name})"/>')
    x, y = _WIDTH - _RIGHT + 12, _TOP + 10
    for name in _CONTENDERS:
        parts.append(_text(x, y, name, "start", name))
        y += 20
    target.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" style="stroke: var(--grid)"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle", colour: str = "text") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" style="fill: var(--{colour})">{text}</text>'
