"""Which questions an export of Label Studio asks: from its labelling configuration, and from all answers there are."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from curation.formats import label_studio as tool
from curation.formats.moves import ALIKE, MOST_RANKED, STEPS, Asked, alike, can_be_labels, labelled, whole

SEEN = 1000  # different labels of one control: far more than a question takes
COMPARED = 200  # written answers that are compared with their text
LONGEST = 200_000  # characters of a labelling configuration
LABEL_TAGS = {"choices": "Choice", "labels": "Label", "hypertextlabels": "Label", "taxonomy": "Choice"}


class ConfigError(ValueError):
    """A labelling configuration that cannot be read; the message is a sentence."""


@dataclass
class Control:
    """One control, as the configuration describes it and as the answers show it."""

    name: str
    kind: str = ""  # the type of its results
    to: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    title: str = ""
    required: bool = False
    multiple: bool | None = None
    low: int | None = None
    high: int | None = None
    prefill: str = ""  # the column that a TextArea begins with
    fractions: bool = False
    columns: Counter[str] = field(default_factory=Counter)  # where its spans' words were found
    ranks: Counter[tuple[str, ...]] = field(default_factory=Counter)
    likeness: list[float] = field(default_factory=list)


class Survey:
    """Looks at every task, and then says what is asked. Holds one entry for each control and label."""

    def __init__(self, config: str = "") -> None:
        self.controls: dict[str, Control] = {}
        self.objects: dict[str, str] = {}  # the name of a text in the configuration: its column
        self.texts: Counter[str] = Counter()  # columns that hold text, by their characters
        self.people: Counter[str] = Counter()
        if config.strip():
            self.controls, self.objects = read_config(config)

    def see(self, task: dict[str, Any]) -> None:
        for name, value in task["data"].items():
            if isinstance(value, str):
                self.texts[name] += len(value)
        self.people.update(tool.people(task))
        for part in ("annotations", "drafts", "predictions"):
            for one in task.get(part) or []:
                for result in tool.results(one) if isinstance(one, dict) else []:
                    self._see_result(result, task["data"])

    def _see_result(self, result: dict[str, Any], data: dict[str, Any]) -> None:
        name, kind = result.get("from_name"), str(result.get("type"))
        if name is None or kind == "relation":
            return
        known = self.controls.setdefault(str(name), Control(str(name)))
        known.kind = known.kind if known.kind not in ("", "plain") else kind
        known.to = known.to or str(result.get("to_name") or "")
        value = tool._value(result)
        if kind in tool.SPANS:
            self._see_span(known, result, data)
        elif kind in ("choices", "taxonomy", "plain", "textarea"):
            said = tool.words(result)
            if kind == "textarea" or kind == "plain":
                self._compare(known, "\n".join(said), data)
            if kind != "textarea" and len(known.labels) <= SEEN:
                known.labels |= {word: known.labels.get(word, "") for word in labelled(said)}
            known.multiple = known.multiple or len(said) > 1
        elif kind in ("rating", "number"):
            self._see_number(known, value.get("rating", value.get("number")))
        elif kind == "ranker" and (order := tool.bucket(result)):
            known.ranks[tuple(sorted(order))] += 1

    def _see_span(self, known: Control, result: dict[str, Any], data: dict[str, Any]) -> None:
        value = tool._value(result)
        for label in next((value[name] for name in tool.SPANS if name in value), []):
            known.labels.setdefault(str(label).strip(), "")
        for column, text in data.items():
            if isinstance(text, str) and tool.span_place(text, result):
                known.columns[column] += 1

    def _see_number(self, known: Control, value: Any) -> None:
        rated = whole(value)
        if rated is None:
            known.fractions = True
            return
        known.low = rated if known.low is None else min(known.low, rated)
        known.high = rated if known.high is None else max(known.high, rated)

    def _compare(self, known: Control, said: str, data: dict[str, Any]) -> None:
        if len(known.likeness) < COMPARED:
            known.likeness.append(
                max((alike(text, said) for text in data.values() if isinstance(text, str)), default=0)
            )

    # --- what it comes to ---------------------------------------------------------------------------

    def asked(self) -> list[Asked]:
        return [self._asked(control) for control in self.controls.values()]

    def _asked(self, known: Control) -> Asked:
        found = Asked(known.name, "", known.title or known.name, labels=known.labels, required=known.required)
        found.columns = self._columns(known)
        kind = known.kind
        if kind in ("choices", "taxonomy", "plain"):
            self._as_labels(known, found)
        elif kind in tool.SPANS:
            found.kind = "spans" if can_be_labels(known.labels) else ""
            found.note = "" if found.kind else "A question takes 1 to 200 labels of at most 100 characters."
        elif kind in ("rating", "number"):
            self._as_rating(known, found)
        elif kind == "textarea":
            found.kind = "text" if known.prefill or _mean(known.likeness) >= ALIKE else "comment"
        elif kind in ("pairwise", "ranker"):
            self._as_ranking(known, found)
        elif kind == "datetime":
            found.kind, found.note = "comment", "There is no question for a date here: it comes as text."
        else:
            found.note = f"Label Studio's {kind or 'control'} has no question here."
        return found

    def _as_labels(self, known: Control, found: Asked) -> None:
        several = known.kind == "taxonomy" or bool(known.multiple)
        found.kind = "labels" if several else "label"
        sentences = known.kind == "plain" and (len(known.labels) > 50 or _mean(known.likeness) >= ALIKE)
        if sentences or not can_be_labels(known.labels):
            found.kind, found.labels = "comment", {}
            found.note = "Too many or too long to be labels: it comes as text." if not sentences else ""

    def _as_rating(self, known: Control, found: Asked) -> None:
        low, high = (1, 5) if known.kind == "rating" else (0, 10)
        low = low if known.low is None else min(low, known.low) if known.kind == "rating" else known.low
        high = high if known.high is None else max(high, known.high) if known.kind == "rating" else known.high
        found.kind, found.low, found.high = "rating", low, max(high, low + 1)
        if known.fractions or found.high - found.low >= STEPS:
            found.kind, found.note = "comment", f"A rating has {STEPS} steps of whole numbers: it comes as text."

    def _as_ranking(self, known: Control, found: Asked) -> None:
        if known.kind == "pairwise":
            found.pieces = found.columns if len(found.columns) == 2 else ["left", "right"]
        else:
            found.pieces = list(known.ranks.most_common(1)[0][0]) if known.ranks else []
        found.kind = "ranking" if 2 <= len(found.pieces) <= MOST_RANKED else ""
        found.note = (
            "" if found.kind else f"A ranking is of 2 to {MOST_RANKED} answers that are called alike everywhere."
        )

    def _columns(self, known: Control) -> list[str]:
        """The columns of what a control is about: by the configuration, by where its words stand, by name, or the longest."""
        if known.prefill:
            return [known.prefill]
        names = [name for name in known.to.split(",") if name]
        by_config = [self.objects[name] for name in names if name in self.objects]
        if by_config:
            return by_config
        if known.columns:
            return [known.columns.most_common(1)[0][0]]
        by_name = [name for name in names if name in self.texts]
        return by_name or [name for name, _ in self.texts.most_common(1)]


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0


def read_config(text: str) -> tuple[dict[str, Control], dict[str, str]]:
    """The controls of a labelling configuration, and the columns of its texts. Raises ConfigError."""
    if len(text) > LONGEST or "<!" in text.replace("<!--", ""):
        raise ConfigError("This is no labelling configuration: it is too long, or declares entities.")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - no declarations, so there is nothing to expand
    except ElementTree.ParseError as error:
        raise ConfigError(f"The labelling configuration is not valid XML ({error}).") from error
    controls, objects = {}, {}
    for element in root.iter():
        name, value = element.get("name"), element.get("value", "")
        if name and element.get("toName"):
            controls[name] = _control(element, name)
        elif name and value.startswith("$"):
            objects[name] = value[1:]
    if not controls:
        raise ConfigError("This labelling configuration asks nothing: no tag in it has `name` and `toName`.")
    return controls, objects


def _control(element: ElementTree.Element, name: str) -> Control:
    kind, prefill = element.tag.lower(), element.get("value", "")
    known = Control(name, kind, element.get("toName", ""))
    known.required = element.get("required") == "true"
    if kind in LABEL_TAGS:
        known.labels = _choices(element, LABEL_TAGS[kind])
    if kind == "choices":
        known.multiple = element.get("choice") == "multiple"
    if kind == "rating":
        known.high = _number(element.get("maxRating"), 5)
    if kind == "number":
        known.low, known.high = _number(element.get("min"), None), _number(element.get("max"), None)
    if kind == "textarea" and prefill.startswith("$"):
        known.prefill = prefill[1:]
    return known


def _choices(element: ElementTree.Element, tag: str, path: tuple[str, ...] = ()) -> dict[str, str]:
    """Labels by the value that results have: the alias where there is one, of a tree the path."""
    found: dict[str, str] = {}
    for child in element:
        value = child.get("value", "").strip()
        if child.tag == tag and value:
            here = (*path, child.get("alias") or value)
            found[" / ".join(here)] = value if child.get("alias") else ""
            inner = here
        else:
            inner = path
        found |= _choices(child, tag, inner)
    return found


def _number(text: str | None, default: int | None) -> int | None:
    try:
        return int(float(text)) if text else default
    except ValueError:
        return default
