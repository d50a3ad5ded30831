"""The metrics and the log of a training run: figures, charts, and the end of the log."""

import json
import statistics
from pathlib import Path
from typing import Any

from training import run_folder

LIMIT = 500  # points of a series that a browser is sent
Point = tuple[float, float]


class Tail:
    """The metrics of a run while it trains: each read takes only what is new, and all again after a resumption."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.jsonl"
        self.identity: tuple[int, int] = (0, 0)
        self.last: dict[str, Any] = {}
        self.eval_loss: float | None = None
        self.best: float | None = None
        self.seconds: list[float] = []

    def look(self) -> None:
        """Read the lines that are complete now."""
        try:
            about = self.path.stat()
        except OSError:
            return
        inode, at = self.identity
        if inode != about.st_ino or about.st_size < at:  # replaced by a resumption
            at, self.seconds, self.last = 0, [], {}
        with self.path.open("rb") as file:
            file.seek(at)
            whole, newline, _ = file.read().rpartition(b"\n")
        self.identity = (about.st_ino, at + len(whole) + len(newline))
        for line in whole.splitlines():
            self.take(line)

    def take(self, line: bytes) -> None:
        try:
            row = json.loads(line)
            self.seconds.append(max(0.0, row["seconds"] - self.last.get("seconds", 0.0)))
        except (ValueError, KeyError, TypeError):
            return
        self.last = row
        if row.get("eval_loss") is not None:
            self.eval_loss = row["eval_loss"]
            self.best = row["eval_loss"] if self.best is None else min(self.best, row["eval_loss"])

    @property
    def median_step(self) -> float | None:
        """Return the median seconds per step, of the last two hundred."""
        return statistics.median(self.seconds[-200:]) if self.seconds else None

    def summary(self) -> dict[str, Any]:
        """Return the figures that pages show."""
        names = ("loss", "tokens_per_s", "tokens", "memory_mb", "epoch", "learning_rate", "grad_norm")
        figures = {name: self.last[name] for name in names if self.last.get(name) is not None}
        if self.eval_loss is not None:
            figures |= {"eval_loss": self.eval_loss, "best_eval_loss": self.best}
        recent = self.seconds[-20:]
        if recent and sum(recent):
            figures["step_seconds"] = round(sum(recent) / len(recent), 3)
        return figures


def chart(folder: Path, is_over: bool) -> dict[str, Any]:
    """Return loss and validation loss by step, as the interface's chart takes them."""
    rows = run_folder.metrics(folder)
    return {
        "x": "Step",
        "y": "Loss",
        "done": is_over,
        "series": [
            {"name": "Training", "points": thinned(series(rows, "loss"))},
            {"name": "Validation", "points": thinned(series(rows, "eval_loss"))},
        ],
    }


def series(rows: list[dict[str, Any]], name: str) -> list[Point]:
    return [(row["step"], row[name]) for row in rows if isinstance(row.get(name), int | float)]


def thinned(points: list[Point], limit: int = LIMIT) -> list[Point]:
    """Return at most so many of the points: of each stretch the one that differs most from its neighbours.

    Largest triangle three buckets (Steinarsson 2013), so that peaks survive and no point is invented.
    """
    if len(points) <= limit:
        return points
    chosen, width = [points[0]], (len(points) - 2) / (limit - 2)
    for bucket in range(limit - 2):
        here = points[int(bucket * width) + 1 : int((bucket + 1) * width) + 1]
        after = points[int((bucket + 1) * width) + 1 : int((bucket + 2) * width) + 1] or points[-1:]
        x, y = sum(p[0] for p in after) / len(after), sum(p[1] for p in after) / len(after)
        ax, ay = chosen[-1]
        chosen.append(
            max(here, key=lambda p, ax=ax, ay=ay, x=x, y=y: abs((ax - x) * (p[1] - ay) - (ax - p[0]) * (y - ay)))
        )
    return [*chosen, points[-1]]


def log_tail(path: Path, lines: int = 200, limit: int = 64 * 1024) -> str:
    """Return the last lines of a log, progress bars reduced to their last state."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - limit))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    whole = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.strip().split("\n")]
    return "\n".join(whole[-lines:])
