"""Forms of questions and of the queue. Labels are lines of a text, as people write lists."""

from typing import Any

from django import forms

from curation.annotation import targets
from curation.annotation.settings import MAX_LOCK_MINUTES, MAX_OVERLAP
from curation.models import Dataset, Question, Queue

Kind = Question.Kind
NEEDS = {
    Kind.TEXT: ("piece",), Kind.SPANS: ("labels", "piece"), Kind.LABEL: ("labels",), Kind.LABELS: ("labels",),
    Kind.RATING: ("low", "high"), Kind.RANKING: ("pieces",), Kind.COMMENT: (),
}  # fmt: skip


class QuestionForm(forms.Form):
    """One question; the fields of its options follow from its kind."""

    title = forms.CharField(label="Question", max_length=200, help_text="As people read it beside the record.")
    name = forms.CharField(
        max_length=60, required=False, help_text="Of the answer in exports and the API. Empty: made from the question."
    )
    help = forms.CharField(max_length=500, required=False, help_text="A line below the question.")
    labels = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="One a line. `value = words shown`, when the two differ. The first nine have the digits as keys.",
    )
    piece = forms.ChoiceField(label="About")
    low = forms.IntegerField(label="From", initial=1)
    high = forms.IntegerField(label="To", initial=5)
    pieces = forms.CharField(
        label="What is ranked",
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="One a line: chosen, rejected, answer, field:NAME, or words of your own.",
    )
    required = forms.BooleanField(label="Must be answered", required=False, initial=True)

    def __init__(
        self, *args: Any, dataset: Dataset, kind: str, question: Question | None = None, **kwargs: Any
    ) -> None:
        initial = (
            _initial(question) if question else {"pieces": "chosen\nrejected" if dataset.kind == "preferences" else ""}
        )
        super().__init__(*args, initial=initial, **kwargs)
        self.kind = kind
        for name in ("labels", "piece", "low", "high", "pieces"):
            if name not in NEEDS[Kind(kind)]:
                del self.fields[name]
        if "piece" in self.fields:
            now = question.options.get("piece", "") if question else ""
            names = dict.fromkeys([*([now] if now else []), *(targets.offered(dataset) or targets.NAMES)])
            self.fields["piece"].choices = [(name, targets.words(name)) for name in names]

    def values(self) -> dict[str, Any]:
        """What `questions.create` and `change` take."""
        data = self.cleaned_data
        options: dict[str, Any] = {name: data[name] for name in NEEDS[Kind(self.kind)]}
        if "labels" in options:
            options["labels"] = [_label(line) for line in data["labels"].splitlines() if line.strip()]
        if "pieces" in options:
            options["pieces"] = [line.strip() for line in data["pieces"].splitlines() if line.strip()]
        named = {name: data[name] for name in ("title", "name", "help", "required")}
        return named | {"kind": self.kind, "options": options}

    def take(self, errors: dict[str, list[str]]) -> None:
        """Show what the domain refused, each at its field."""
        for name, lines in errors.items():
            for line in lines:
                self.add_error(name if name in self.fields else None, line)


def _initial(question: Question) -> dict[str, Any]:
    options = question.options
    labels = [
        f"{one['value']} = {one['text']}" if one.get("text") else one["value"] for one in options.get("labels", [])
    ]
    return {
        "title": question.title, "name": question.name, "help": question.help, "required": question.required,
        "labels": "\n".join(labels), "piece": options.get("piece"), "low": options.get("low", 1),
        "high": options.get("high", 5), "pieces": "\n".join(options.get("pieces", [])),
    }  # fmt: skip


def _label(line: str) -> dict[str, str]:
    value, _, text = line.partition(" = ")
    return {"value": value.strip(), "text": text.strip()}


def kept_colors(question: Question, values: dict[str, Any]) -> dict[str, Any]:
    """Labels keep the colours that the API gave them: the form does not show those."""
    colors = {one["value"]: one["color"] for one in question.options.get("labels", []) if "color" in one}
    for label in values["options"].get("labels", []):
        if label["value"] in colors:
            label["color"] = colors[label["value"]]
    return values


class QueueForm(forms.Form):
    """How a dataset is annotated."""

    is_open = forms.BooleanField(label="Open: people are given records", required=False)
    overlap = forms.IntegerField(
        label="People a record",
        min_value=1,
        max_value=MAX_OVERLAP,
        help_text="So many answer each record, and nobody sees the others' answers before. With one, what they say holds at once.",
    )
    order = forms.ChoiceField(choices=Queue.Order.choices)
    lock_minutes = forms.IntegerField(
        label="Given back after, minutes",
        min_value=1,
        max_value=MAX_LOCK_MINUTES,
        help_text="A record that is left alone so long goes to somebody else. The draft is kept.",
    )
    assigned_only = forms.BooleanField(label="People get only what is assigned to them", required=False)
    honeypot_rate = forms.FloatField(
        label="Honeypots, share",
        min_value=0,
        max_value=0.5,
        help_text="How many of the given records have answers that are known already: 0.05 is one in twenty.",
    )
    tolerance = forms.FloatField(
        label="Texts and spans agree from",
        min_value=0.5,
        max_value=1,
        required=False,
        help_text="The share of words, or of marked spans that touch, that two answers have in common. 1: only what is the same.",
    )
    guidelines = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 10}),
        required=False,
        max_length=100_000,
        help_text="Markdown, shown beside each record. Empty: the project's guidelines.",
    )

    def __init__(self, *args: Any, queue: Queue, **kwargs: Any) -> None:
        super().__init__(*args, initial={name: getattr(queue, name) for name in self.base_fields}, **kwargs)

    def clean_tolerance(self) -> float:
        given = self.cleaned_data["tolerance"]
        return 1.0 if given is None else float(given)


def kinds() -> list[tuple[str, str, str]]:
    """(kind, its name, what it is for), as they are offered."""
    lines = {
        Kind.LABEL: "One of a list: is it plain, or loud?", Kind.LABELS: "Any number of a list: which topics?",
        Kind.RATING: "A number on a scale.", Kind.SPANS: "Parts of a text, each with a label.",
        Kind.RANKING: "Several answers, the best first.", Kind.TEXT: "The text itself, put right.",
        Kind.COMMENT: "Words of their own.",
    }  # fmt: skip
    return [(kind.value, kind.label, line) for kind, line in lines.items()]
