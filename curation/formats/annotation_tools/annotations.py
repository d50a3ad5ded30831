"""Tasks of other annotation tools' exports in Atelier's terms: questions, and the answers of people and models.

`label_studio` and `argilla` read their exports into these; `curation.imports.annotated.plan` makes questions,
annotations and suggestions of them. What has no place here is `Leftover` with a reason, never dropped.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from curation.chat import Problem
from curation.formats.readers.rows import RowError

MOST_LABELS, LABEL_LENGTH, STEPS, MOST_RANKED = 200, 100, 11, 9
KINDS = ("text", "label", "labels", "rating", "ranking", "spans", "comment", "")
ALIKE = 0.4  # of the words: from here on an answer is taken for an edited copy of its text


@dataclass
class ToolQuestion:
    """A question of the other tool. `kind` is Atelier's, empty if it has none, and then `note` gives the reason.

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
    countings: list[str] = field(default_factory=list)  # of spans: the ways in which the file counts places

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ToolQuestion":
        return cls(**{name: value for name, value in data.items() if name in cls.__dataclass_fields__})


@dataclass
class ToolAnswer:
    """A person's answers to a task: submitted, skipped or draft. `author` is as the tool names them."""

    author: str
    state: str = "submitted"
    answers: dict[str, Any] = field(default_factory=dict)
    created: str = ""
    submitted: str = ""
    seconds: float = 0
    is_known: bool = False  # the tool says that this is the right answer


@dataclass
class ToolSuggestion:
    """A model's answers to a task."""

    source: str
    answers: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float | None] = field(default_factory=dict)


@dataclass
class Leftover:
    """Something of a task that has no place here: a code to count by, a sentence, and the thing itself."""

    code: str
    message: str
    item: Any = None


@dataclass
class ToolTask:
    """The annotations that an export has for one task, besides its data."""

    answers: list[ToolAnswer] = field(default_factory=list)
    suggestions: list[ToolSuggestion] = field(default_factory=list)
    left: list[Leftover] = field(default_factory=list)

    def leave(self, code: str, message: str, item: Any = None) -> None:
        self.left.append(Leftover(code, message, item))


def wrong(code: str, message: str) -> RowError:
    return RowError(Problem(code, message))


def labelled(values: Iterable[str], texts: dict[str, str] | None = None) -> dict[str, str]:
    """Return labels by their value, each once and without surrounding blanks."""
    return {value.strip(): (texts or {}).get(value, "") for value in values if value.strip()}


def can_be_labels(values: Iterable[str]) -> bool:
    """Return whether these can be the labels of one question."""
    labels = list(values)
    good = all(len(value) <= LABEL_LENGTH and value.isprintable() for value in labels)
    return 0 < len(labels) <= MOST_LABELS and good


def alike(text: str, answer: str) -> float:
    """Return how much of the answer's words the text has, from 0 to 1: an edited copy shares most of them."""
    words, said = set(re.findall(r"\w+", text.lower())), set(re.findall(r"\w+", answer.lower()))
    return len(words & said) / max(len(words | said), 1)


def score_of(value: Any) -> float | None:
    """Return a score from 0 to 1, or None for any other value."""
    if isinstance(value, list):  # one for each span: the least sure counts
        value = min((one for one in value if isinstance(one, int | float)), default=None)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 1 else None


def whole(value: Any) -> int | None:
    """Return a whole number, even if it is written with a decimal point."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value not in range(-100, 101):
        return None
    return int(value)
