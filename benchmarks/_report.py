"""The table of results and targets."""

from collections.abc import Sequence
from typing import NamedTuple


class Ratio(NamedTuple):
    """A ratio and its target, `at_most` or `at_least`."""

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
        target = f"≤ {self.at_most:.2f}" if self.at_least is None else f"≥ {self.at_least:.1f}"
        return f"{self.value:.2f} ({target})"


class Report:
    """Collects rows, and prints them as a Markdown table."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, ...]] = []
        self._notes: list[str] = []
        self.all_met = True

    def add(self, work: str, costs: Sequence[str], to_floor: Ratio, to_ours: Ratio | None = None) -> None:
        """Add a row: the costs of floor, ours and, in some rows, generated; then the two ratios."""
        floor, ours, generated = (*costs, "")[:3]
        ratios = [to_floor] if to_ours is None else [to_floor, to_ours]
        met = all(ratio.met for ratio in ratios)
        self.all_met = self.all_met and met
        shown = [str(to_floor), "" if to_ours is None else str(to_ours)]
        self._rows.append((work, floor, ours, generated, *shown, "met" if met else "NOT MET"))

    def note(self, work: str, ratio: float) -> None:
        """Add a ratio of ours to the floor in wall-clock time to the notes below the table."""
        self._notes.append(f"{work} {ratio:.2f}")

    def print(self) -> None:
        """Print the table and the notes."""
        heads = ("work", "floor", "ours", "generated", "ours / floor", "generated / ours", "target")
        lines = [heads, *self._rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
        lines.insert(1, tuple("-" * width for width in widths))
        for line in lines:
            print("|", " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)), "|")
        print(f"\nours / floor in wall-clock time: {'; '.join(self._notes)}")


def milliseconds(least: float, median: float) -> str:
    """Return two times in seconds as text."""
    return f"{_short(least * 1000)} ({_short(median * 1000)}) ms"


def _short(number: float) -> str:
    """Return a positive number with three significant digits."""
    return f"{number:.3f}" if number < 1 else f"{number:.2f}" if number < 10 else f"{number:.1f}"
