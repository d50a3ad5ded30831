"""The folder of a training run: what goes in, and what a supervisor reads while it runs.

    recipe.json  train.jsonl  validation.jsonl  [stop]                             in
    state.json  metrics.jsonl  checkpoints/  adapter/  meta.json                   out

`recipe.json` holds the recipe's fields and, beside them, the base's folder and the provenance of everything.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training import manifest
from training.recipe.fields import Recipe, RecipeError

# How `python -m training.trainer` ends.
DONE, FAILED, STOPPED = 0, 1, 3


@dataclass(frozen=True)
class TrainingOrder:
    """The order for one training. `provenance` is copied into meta.json: dataset hash, base revision, code version."""

    recipe: Recipe
    base_dir: Path
    tokenizer: str = "chat-template"
    provenance: dict[str, Any] = field(default_factory=dict)


def write(
    folder: Path, order: TrainingOrder, train: Iterable[dict[str, Any]], validation: Iterable[dict[str, Any]] = ()
) -> None:
    """Write the folder for `python -m training.trainer FOLDER`. Rows: {"id", "messages", "tools"}."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_rows(folder / "train.jsonl", train)
    _write_rows(folder / "validation.jsonl", validation)
    about = {"base_dir": str(order.base_dir), "tokenizer": order.tokenizer, "provenance": order.provenance}
    (folder / "recipe.json").write_text(json.dumps({**order.recipe.to_dict(), **about}, indent=1, ensure_ascii=False))


def _write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    # As a whole or not at all: an erasure writes these files again, and must not take half of one for all.
    draft = path.with_suffix(".part")
    with draft.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    draft.replace(path)


def read(folder: Path) -> TrainingOrder:
    """Read the order. Raises RecipeError, also when recipe.json is missing or names no base folder."""
    try:
        values = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
        base_dir = Path(values.pop("base_dir"))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise RecipeError({"": f"recipe.json cannot be used: {error!r}."}) from error
    tokenizer, provenance = values.pop("tokenizer", "chat-template"), values.pop("provenance", {})
    return TrainingOrder(Recipe.from_dict(values), base_dir, tokenizer, provenance)


def state(folder: Path) -> dict[str, Any]:
    """Return the run's own state (see training/trainer/state.py), or {} before it has written one."""
    try:
        found = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def metrics(folder: Path, after: int = 0) -> list[dict[str, Any]]:
    """Return the rows of all steps above `after`; a last line cut short is left for the next read."""
    rows = []
    try:
        lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            break
        if row["step"] > after:
            rows.append(row)
    return rows


def ask_to_stop(folder: Path) -> None:
    """Request to stop and save: the run writes its adapter as it is after the present step."""
    (folder / "stop").touch()


def is_done(folder: Path) -> bool:
    """Return whether the adapter is complete and its meta.json is written."""
    return (folder / "meta.json").exists() and not manifest.problem(folder / "adapter")
