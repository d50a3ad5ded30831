"""The training rows of a run: read, given their system prompt, tokenised, and refused with a sentence when unusable."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.recipe.fields import Recipe
from training.trainer.failure import Failure
from training.trainer.tokens import Codec
from training.trainer.turns import EncodedRow, UnusableRow

NAMED = 5  # So many bad rows are named in a sentence; the number says the rest.


@dataclass
class TokenisedRows:
    """The rows that the conversations of a file became, and the conversations that were skipped.

    One conversation can be several rows: see `training.trainer.turns.rows_of`.
    """

    encoded: list[EncodedRow]
    skipped: list[str]
    conversations: int = 0

    @property
    def tokens(self) -> int:
        return sum(len(row.input_ids) for row in self.encoded)

    @property
    def lengths(self) -> list[int]:
        return [len(row.input_ids) for row in self.encoded]


def load(path: Path, codec: Codec, recipe: Recipe, beat: Callable[[], None] = lambda: None) -> TokenisedRows:
    """Load every row of a JSONL file as tokens and labels. `beat` is called now and then while it runs.

    Raises Failure("bad_data") naming the rows that cannot be used.
    """
    encoded: list[EncodedRow] = []
    skipped, wrong, conversations = [], [], 0
    for number, row in enumerate(read(path), 1):
        name = f"row {row.get('id') or number}"
        try:
            pieces = codec.encode(with_system(row["messages"], recipe.system_prompt), row.get("tools"))
            if not pieces:
                raise UnusableRow("it has no assistant message to learn from")
        except UnusableRow as error:
            wrong.append(f"{name}: {error}")
            continue
        longest = max(len(piece.input_ids) for piece in pieces)
        if longest > recipe.max_length:
            skipped.append(f"{name}: {longest} tokens")
            continue
        encoded += pieces
        conversations += 1
        if number % 200 == 0:
            beat()
    refuse(path.name, wrong, skipped, recipe)
    return TokenisedRows(encoded, skipped, conversations)


def refuse(name: str, wrong: list[str], too_long: list[str], recipe: Recipe) -> None:
    """Raise Failure if some rows are unusable, or too long and not to be skipped."""
    if wrong:
        raise Failure(
            "bad_data",
            f"{counted(len(wrong))} of {name} cannot be trained on: {listed(wrong)}.",
            "Fix the records in the dataset and freeze it again, or freeze only records without problems.",
        )
    if too_long and recipe.too_long == "refuse":
        raise Failure(
            "bad_data",
            f"{counted(len(too_long))} of {name} {'is' if len(too_long) == 1 else 'are'} longer than {recipe.max_length}"
            f" tokens: {listed(too_long)}.",
            "Raise the max sequence length in the recipe, or set “Rows that are too long” to “Skip them”.",
        )


def counted(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def listed(items: list[str]) -> str:
    more = f"; and {len(items) - NAMED} more" if len(items) > NAMED else ""
    return "; ".join(items[:NAMED]) + more


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a JSONL file. Raises Failure("bad_data") at a line that is none."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                if not isinstance(row["messages"], list):
                    raise TypeError("messages isn't a list")
            except (ValueError, KeyError, TypeError) as error:
                raise Failure("bad_data", f"{path.name}, line {number}, isn't a row with messages: {error}.") from error
            yield row


def with_system(messages: list[dict[str, Any]], prompt: str) -> list[dict[str, Any]]:
    """Return the conversation with `prompt` as its system message, if there is one."""
    if not prompt:
        return messages
    return [{"role": "system", "content": prompt}, *(m for m in messages if m.get("role") != "system")]


def hash_of(*paths: Path) -> str:
    """Return one SHA-256 over the files of the data, in order."""
    total = hashlib.sha256()
    for path in paths:
        total.update(hashlib.sha256(path.read_bytes()).digest() if path.exists() else b"")
    return total.hexdigest()
