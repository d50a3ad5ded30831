"""What a bench finds: a value beside its reference, the clock that finds it, and the table that shows it."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """A measured value and its reference, measured in the same run. A failed bench has an error instead."""

    name: str
    value: float | None = None
    unit: str = ""
    reference: str = ""
    reference_value: float | None = None
    error: str = ""

    @property
    def ratio(self) -> float | None:
        """Return value over reference: above 1 is good for a rate and bad for a time."""
        return rounded(self.value / self.reference_value) if self.value is not None and self.reference_value else None

    def as_json(self) -> dict[str, Any]:
        found = asdict(self) | {"ratio": self.ratio}
        found |= {"value": rounded(self.value), "reference_value": rounded(self.reference_value)}
        return found if self.error else {name: value for name, value in found.items() if name != "error"}


def rounded(value: float | None) -> float | None:
    """Round to four figures: no measurement here is worth more."""
    return None if value is None else float(f"{value:.4g}")


TICK = 0.001  # no clock of processors sees less


class Clock:
    """Measures wall seconds, and processor seconds of this process and its ended children, from entering to leaving.

    On a shared machine the second is more telling: it leaves out what others took.
    """

    wall = cpu = 0.0

    def __enter__(self) -> Self:
        self._began = time.perf_counter(), processor()
        return self

    def __exit__(self, *error: object) -> None:
        wall, cpu = self._began
        self.wall, self.cpu = time.perf_counter() - wall, max(processor() - cpu, TICK)


def processor() -> float:
    """Return the processor seconds so far: an import has its rows read by another process."""
    return sum(os.times()[:4])


def rates(name: str, count: int, clock: Clock, reference: str, floor: Clock) -> list[Figure]:
    """Return rows per second, and rows per second of processor, each against the same rows done by the floor."""
    return [
        Figure(name, count / clock.wall, "rows/s", reference, count / floor.wall),
        Figure(f"{name}, of processor", count / clock.cpu, "rows/cpu s", reference, count / floor.cpu),
    ]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that is at least as large as this share of them."""
    ordered = sorted(values)
    return ordered[max(0, -(-round(share * 1000) * len(ordered) // 1000) - 1)]


def memory(name: str) -> float:
    """Return the memory of this process in MiB: VmHWM is its peak, VmRSS what it holds now. Linux only."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {name}.")


def table(figures: Sequence[dict[str, Any]]) -> Table:
    shown = Table(title="Ratios are value over reference: above 1 is good for a rate, and bad for a time or memory.")
    for heading in ("What", "Value", "Unit", "Reference", "Its value", "Ratio"):
        shown.add_column(heading, justify="right" if heading in ("Value", "Its value", "Ratio") else "left")
    for figure in figures:
        if error := figure.get("error"):
            shown.add_row(figure["name"], "[red]failed", "", error)
        else:
            numbers = [f"{figure[key]:,g}" for key in ("value", "reference_value", "ratio")]
            shown.add_row(figure["name"], numbers[0], figure["unit"], figure["reference"], *numbers[1:])
    return shown
