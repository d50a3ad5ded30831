"""What another annotation tool's export says of a task, in words of ours: what was asked, what people and models answered.

`label_studio` and `argilla` read their exports into these; `curation.moving` makes questions, annotations and suggestions
of them. What has no place here is `Left` with a reason, never dropped.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from curation.chat import Problem
from curation.formats.rows import RowError

MOST_LABELS, LABEL_LENGTH, STEPS, MOST_RANKED = 200, 100, 11, 9
KINDS = ("text", "label", "labels", "rating", "ranking", "spans", "comment", "")
ALIKE = 0.4  # of the words: from here on an answer is taken for an edited copy of its text


@dataclass
class Asked:
    """A question as the other tool has it. `kind` is ours, empty where we have none, and then `note` says why.

    `labels` are the values with the words shown. `columns` are those of the texts it is about.
    """

    source: str
    kind: str
    title: str = ""
    help: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    low: int = 1
    high: int = 5
    columns: list[str] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)  # of a ranking: what the tool calls the answers
    required: bool = False
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Asked":
        return cls(**{name: value for name, value in data.items() if name in cls.__dataclass_fields__})


@dataclass
class Given:
    """One person's answers about a task: submitted, skipped or draft. `author` is as the tool names them."""

    author: str
    state: str = "submitted"
    answers: dict[str, Any] = field(default_factory=dict)
    created: str = ""
    submitted: str = ""
    seconds: float = 0
    is_known: bool = False  # the tool says that this is the right answer


@dataclass
class Proposed:
    """A model's answers about a task."""

    source: str
    answers: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float | None] = field(default_factory=dict)


@dataclass
class Left:
    """Something of a task that has no place here: a code to count by, a sentence, and the thing itself."""

    code: str
    message: str
    item: Any = None


@dataclass
class Moved:
    """All that an export says of one task besides its data."""

    given: list[Given] = field(default_factory=list)
    proposed: list[Proposed] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    def leave(self, code: str, message: str, item: Any = None) -> None:
        self.left.append(Left(code, message, item))


def wrong(code: str, message: str) -> RowError:
    return RowError(Problem(code, message))


def labelled(values: Iterable[str], texts: dict[str, str] | None = None) -> dict[str, str]:
    """Labels by their value, each once and cleaned of blanks around it."""
    return {value.strip(): (texts or {}).get(value, "") for value in values if value.strip()}


def can_be_labels(values: Iterable[str]) -> bool:
    """Whether these can be the labels of one question."""
    found = list(values)
    good = all(len(value) <= LABEL_LENGTH and value.isprintable() for value in found)
    return 0 < len(found) <= MOST_LABELS and good


def alike(text: str, answer: str) -> float:
    """How much of the answer's words the text has, from 0 to 1: an edited copy shares most of them."""
    words, said = set(re.findall(r"\w+", text.lower())), set(re.findall(r"\w+", answer.lower()))
    return len(words & said) / max(len(words | said), 1)


def score_of(value: Any) -> float | None:
    """A score from 0 to 1, or None for any other."""
    if isinstance(value, list):  # one for each span: the least sure counts
        value = min((one for one in value if isinstance(one, int | float)), default=None)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 1 else None


def whole(value: Any) -> int | None:
    """A whole number, also where it is written with a point."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value not in range(-100, 101):
        return None
    return int(value)
