"""The survey of a Label Studio export's questions: from its labelling configuration, and from all answers there are."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from curation.formats.annotation_tools import label_studio as tool
from curation.formats.annotation_tools.annotations import (
    ALIKE,
    MOST_RANKED,
    STEPS,
    ToolQuestion,
    alike,
    can_be_labels,
    labelled,
    whole,
)
from curation.formats.annotation_tools.offsets import CountingSurvey, note_of

SEEN = 1000  # different labels of one control: far more than a question takes
COMPARED = 200  # written answers that are compared with their text
LONGEST = 200_000  # characters of a labelling configuration
LABEL_TAGS = {"choices": "Choice", "labels": "Label", "hypertextlabels": "Label", "taxonomy": "Choice"}


class ConfigError(ValueError):
    """A labelling configuration that cannot be read; the message is a sentence."""


@dataclass
class Control:
    """A control, as the configuration describes it and as the answers show it."""

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
    countings: dict[str, CountingSurvey] = field(default_factory=dict)  # by column: how its places are counted


class LabelStudioSurvey:
    """Looks at every task, and then returns the questions. Holds one entry for each control and label."""

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
        control = self.controls.setdefault(str(name), Control(str(name)))
        control.kind = control.kind if control.kind not in ("", "plain") else kind
        control.to = control.to or str(result.get("to_name") or "")
        value = tool._value(result)
        if kind in tool.SPANS:
            self._see_span(control, result, data)
        elif kind in ("choices", "taxonomy", "plain", "textarea"):
            answers = tool.words(result)
            if kind == "textarea" or kind == "plain":
                self._compare(control, "\n".join(answers), data)
            if kind != "textarea" and len(control.labels) <= SEEN:
                control.labels |= {word: control.labels.get(word, "") for word in labelled(answers)}
            control.multiple = control.multiple or len(answers) > 1
        elif kind in ("rating", "number"):
            self._see_number(control, value.get("rating", value.get("number")))
        elif kind == "ranker" and (order := tool.bucket(result)):
            control.ranks[tuple(sorted(order))] += 1

    def _see_span(self, control: Control, result: dict[str, Any], data: dict[str, Any]) -> None:
        for label in tool.span_labels(result)[: SEEN if len(control.labels) <= SEEN else 0]:
            control.labels.setdefault(str(label).strip(), "")
        for column, text in data.items():
            if not isinstance(text, str):
                continue
            if tool.span_place(text, result):
                control.columns[column] += 1
            if found := tool.offsets_of(result):
                start, end, words, is_html = found
                control.countings.setdefault(column, CountingSurvey()).see(text, start, end, words, is_html=is_html)

    def _see_number(self, control: Control, value: Any) -> None:
        rated = whole(value)
        if rated is None:
            control.fractions = True
            return
        control.low = rated if control.low is None else min(control.low, rated)
        control.high = rated if control.high is None else max(control.high, rated)

    def _compare(self, known: Control, said: str, data: dict[str, Any]) -> None:
        if len(known.likeness) < COMPARED:
            known.likeness.append(
                max((alike(text, said) for text in data.values() if isinstance(text, str)), default=0)
            )

    # --- what it comes to ---------------------------------------------------------------------------

    def asked(self) -> list[ToolQuestion]:
        questions = [self._asked(control) for control in self.controls.values()]
        self._count(questions)
        return questions

    def _count(self, questions: list[ToolQuestion]) -> None:
        """Decide how places are counted, in one way for the whole file if that fits all of its spans."""
        whole = CountingSurvey()
        marked = [question for question in questions if question.kind == "spans" and question.columns]
        for question in marked:
            if seen := self.controls[question.source].countings.get(question.columns[0]):
                whole.add(seen)
        for question in marked:
            question.countings = whole.decided()
            question.note = question.note or note_of(question.countings)

    def _asked(self, control: Control) -> ToolQuestion:
        question = ToolQuestion(
            control.name, "", control.title or control.name, labels=control.labels, required=control.required
        )
        question.columns = self._columns(control)
        kind = control.kind
        if kind in ("choices", "taxonomy", "plain"):
            self._as_labels(control, question)
        elif kind in tool.SPANS:
            question.kind = "spans" if can_be_labels(control.labels) else ""
            question.note = "" if question.kind else "A question can have 1 to 200 labels of at most 100 characters."
        elif kind in ("rating", "number"):
            self._as_rating(control, question)
        elif kind == "textarea":
            question.kind = "text" if control.prefill or _mean(control.likeness) >= ALIKE else "comment"
        elif kind in ("pairwise", "ranker"):
            self._as_ranking(control, question)
        elif kind == "datetime":
            question.kind, question.note = "comment", "Atelier has no question for a date, so it is imported as text."
        else:
            question.note = f"Label Studio's {kind or 'control'} has no matching question."
        return question

    def _as_labels(self, control: Control, question: ToolQuestion) -> None:
        several = control.kind == "taxonomy" or bool(control.multiple)
        question.kind = "labels" if several else "label"
        sentences = control.kind == "plain" and (len(control.labels) > 50 or _mean(control.likeness) >= ALIKE)
        if sentences or not can_be_labels(control.labels):
            question.kind, question.labels = "comment", {}
            question.note = "Too many or too long to be labels, so it is imported as text." if not sentences else ""

    def _as_rating(self, control: Control, question: ToolQuestion) -> None:
        low, high = (1, 5) if control.kind == "rating" else (0, 10)
        low = low if control.low is None else min(low, control.low) if control.kind == "rating" else control.low
        high = high if control.high is None else max(high, control.high) if control.kind == "rating" else control.high
        question.kind, question.low, question.high = "rating", low, max(high, low + 1)
        if control.fractions or question.high - question.low >= STEPS:
            question.kind, question.note = (
                "comment",
                f"A rating can have {STEPS} steps of whole numbers, so it is imported as text.",
            )

    def _as_ranking(self, control: Control, question: ToolQuestion) -> None:
        if control.kind == "pairwise":
            question.pieces = question.columns if len(question.columns) == 2 else ["left", "right"]
        else:
            question.pieces = list(control.ranks.most_common(1)[0][0]) if control.ranks else []
        question.kind = "ranking" if 2 <= len(question.pieces) <= MOST_RANKED else ""
        question.note = (
            "" if question.kind else f"A ranking needs 2 to {MOST_RANKED} answers with the same names everywhere."
        )

    def _columns(self, control: Control) -> list[str]:
        """Return the columns that a control is about: by the configuration, the place of its words, by name, or the longest."""
        if control.prefill:
            return [control.prefill]
        names = [name for name in control.to.split(",") if name]
        by_config = [self.objects[name] for name in names if name in self.objects]
        if by_config:
            return by_config
        if control.columns:
            return [control.columns.most_common(1)[0][0]]
        by_name = [name for name in names if name in self.texts]
        return by_name or [name for name, _ in self.texts.most_common(1)]


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0


def read_config(text: str) -> tuple[dict[str, Control], dict[str, str]]:
    """Return the controls of a labelling configuration, and the columns of its texts. Raises ConfigError."""
    if len(text) > LONGEST or "<!" in text.replace("<!--", ""):
        raise ConfigError("This isn't a labelling configuration, because it is too long or declares entities.")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - no declarations, so there is nothing to expand
    except ElementTree.ParseError as error:
        raise ConfigError(f"The labelling configuration is not valid XML ({error}).") from error
    controls, objects = {}, {}
    try:
        for element in root.iter():
            name, value = element.get("name"), element.get("value", "")
            if name and element.get("toName"):
                controls[name] = _control(element, name)
            elif name and value.startswith("$"):
                objects[name] = value[1:]
    except RecursionError as error:
        raise ConfigError("This labelling configuration nests its labels too deep.") from error
    if not controls:
        raise ConfigError(
            "This labelling configuration has no questions, because no tag in it has `name` and `toName`."
        )
    return controls, objects


def _control(element: ElementTree.Element, name: str) -> Control:
    kind, prefill = element.tag.lower(), element.get("value", "")
    control = Control(name, kind, element.get("toName", ""))
    control.required = element.get("required") == "true"
    if kind in LABEL_TAGS:
        control.labels = _choices(element, LABEL_TAGS[kind])
    if kind == "choices":
        control.multiple = element.get("choice") == "multiple"
    if kind == "rating":
        control.high = _number(element.get("maxRating"), 5)
    if kind == "number":
        control.low, control.high = _number(element.get("min"), None), _number(element.get("max"), None)
    if kind == "textarea" and prefill.startswith("$"):
        control.prefill = prefill[1:]
    return control


def _choices(element: ElementTree.Element, tag: str, path: tuple[str, ...] = ()) -> dict[str, str]:
    """Return labels by the value that results have: the alias if there is one; in a tree, the path."""
    choices: dict[str, str] = {}
    for child in element:
        value = child.get("value", "").strip()
        if child.tag == tag and value:
            here = (*path, child.get("alias") or value)
            choices[" / ".join(here)] = value if child.get("alias") else ""
            inner = here
        else:
            inner = path
        choices |= _choices(child, tag, inner)
    return choices


def _number(text: str | None, default: int | None) -> int | None:
    try:
        return int(float(text)) if text else default
    except ValueError:
        return default
