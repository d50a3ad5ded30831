"""Forms of questions and of the annotation queue. Labels are lines of a text, as people write lists."""

from typing import Any

from django import forms

from curation.annotation.queue_settings import MAX_LOCK_MINUTES, MAX_OVERLAP
from curation.models import Dataset, Question, Queue
from curation.records import targets

Kind = Question.Kind
NEEDS = {
    Kind.TEXT: ("piece",), Kind.SPANS: ("labels", "piece"), Kind.LABEL: ("labels",), Kind.LABELS: ("labels",),
    Kind.RATING: ("low", "high"), Kind.RANKING: ("pieces",), Kind.COMMENT: (),
}  # fmt: skip


class QuestionForm(forms.Form):
    """The form of a question; the fields of its options follow from its kind."""

    title = forms.CharField(
        label="Question", max_length=200, help_text="The question as annotators read it beside the record."
    )
    name = forms.CharField(
        max_length=60,
        required=False,
        help_text="Names the answer in exports and the API. Leave empty to derive it from the question.",
    )
    help = forms.CharField(max_length=500, required=False, help_text="One line shown below the question.")
    labels = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="One per line; write `value = label` to show another text. The first nine have the digits 1 to 9 as shortcuts.",
    )
    piece = forms.ChoiceField(label="About")
    low = forms.IntegerField(label="From", initial=1)
    high = forms.IntegerField(label="To", initial=5)
    pieces = forms.CharField(
        label="Items to rank",
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="One per line: chosen, rejected, answer, field:NAME, or your own text.",
    )
    required = forms.BooleanField(label="Required", required=False, initial=True)

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
        """Return what `questions.create` and `change` take."""
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
    """Return the options with the colours that the API gave the labels: the form does not show those."""
    colors = {one["value"]: one["color"] for one in question.options.get("labels", []) if "color" in one}
    for label in values["options"].get("labels", []):
        if label["value"] in colors:
            label["color"] = colors[label["value"]]
    return values


class QueueForm(forms.Form):
    """The settings of a dataset's annotation queue."""

    is_open = forms.BooleanField(label="Open (annotators are given records)", required=False)
    overlap = forms.IntegerField(
        label="Annotators per record",
        min_value=1,
        max_value=MAX_OVERLAP,
        help_text="They work blind. With 1, an answer is final once submitted.",
    )
    order = forms.ChoiceField(choices=Queue.Order.choices)
    lock_minutes = forms.IntegerField(
        label="Time limit, minutes",
        min_value=1,
        max_value=MAX_LOCK_MINUTES,
        help_text="A record that is idle for this long goes to someone else. The draft is kept.",
    )
    assigned_only = forms.BooleanField(label="Give people only records that are assigned to them", required=False)
    honeypot_rate = forms.FloatField(
        label="Control questions, share",
        min_value=0,
        max_value=0.5,
        help_text="Share of the given records that are control questions with known answers; 0.05 is one in twenty.",
    )
    tolerance = forms.FloatField(
        label="Agreement threshold for texts and spans",
        min_value=0.5,
        max_value=1,
        required=False,
        help_text="Two answers agree from this share of common words or overlapping spans. 1 means identical.",
    )
    guidelines = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 10}),
        required=False,
        max_length=100_000,
        help_text="Markdown, shown beside each record. Leave empty to use the project's guidelines.",
    )

    def __init__(self, *args: Any, queue: Queue, **kwargs: Any) -> None:
        super().__init__(*args, initial={name: getattr(queue, name) for name in self.base_fields}, **kwargs)

    def clean_tolerance(self) -> float:
        given = self.cleaned_data["tolerance"]
        return 1.0 if given is None else float(given)


def kinds() -> list[tuple[str, str, str]]:
    """Return (kind, its name, what it is for), as they are offered."""
    lines = {
        Kind.LABEL: "One option from a list: is it plain or loud?", Kind.LABELS: "Any number of options from a list: which topics?",
        Kind.RATING: "A number on a scale.", Kind.SPANS: "Parts of a text, each with a label.",
        Kind.RANKING: "Several answers, best first.", Kind.TEXT: "Corrected text.",
        Kind.COMMENT: "Free text.",
    }  # fmt: skip
    return [(kind.value, kind.label, line) for kind, line in lines.items()]
