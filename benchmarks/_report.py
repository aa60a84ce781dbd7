"""Prints the tables of results and targets, in Markdown."""

from pathlib import Path
from typing import NamedTuple


class Ratio(NamedTuple):
    """A ratio and its target, `at_most` or `at_least`, if it has one."""

    value: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        if self.at_most is not None and self.value > self.at_most:
            return False
        return self.at_least is None or self.value >= self.at_least

    def __str__(self) -> str:
        if self.at_most is not None:
            return f"{self.value:.2f} (≤ {self.at_most:.2f})"
        return f"{self.value:.2f}" if self.at_least is None else f"{self.value:.2f} (≥ {self.at_least:.2f})"


class Table:
    """One table: a row for each thing that was measured."""

    def __init__(self, name: str, *heads: str) -> None:
        self.name = name
        self._rows: list[tuple[str, ...]] = [(*heads, "target")]
        self.all_met = True

    def add(self, *cells: str | Ratio | None) -> None:
        """Add a row; its last cell says whether every ratio in it meets its target."""
        met = all(cell.met for cell in cells if isinstance(cell, Ratio))
        self.all_met = self.all_met and met
        self._rows.append(
            (*("" if cell is None else str(cell) for cell in cells), "met" if met else "NOT MET")
        )

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(*self._rows, strict=True)]
        rows = [self._rows[0], tuple("-" * width for width in widths), *self._rows[1:]]
        return "\n".join(
            f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
            for row in rows
        )


def write(blocks: dict[str, str], page: Path) -> None:
    """Replace what stands between `<!-- begin NAME -->` and `<!-- end NAME -->` on a page with the block of that name."""
    text = page.read_text("utf-8")
    for name, block in blocks.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            message = f"{page} has no block {name!r}"
            raise ValueError(message)
        text = f"{before}{begin}\n\n{block}\n\n{end}{after}"
    page.write_text(text, "utf-8")


def milliseconds(seconds: float) -> str:
    """Return a time as text."""
    return f"{short(seconds * 1000)} ms"


def short(number: float) -> str:
    """Return a positive number with three significant digits."""
    return f"{number:.3f}" if number < 1 else f"{number:.2f}" if number < 10 else f"{number:.1f}"
