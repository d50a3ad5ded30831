"""The questions of a dataset: adding, changing, ordering, deleting them. Options are checked against an allow-list."""

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max, Q, QuerySet

from atelier.database.prepared import prepared
from atelier.jobs.once import once
from curation.models import Annotation, Dataset, Question, SpanTrail, Task
from curation.records import targets

Kind = Question.Kind
COLORS = ("blue", "green", "amber", "red", "violet", "teal", "pink", "grey")
MAX_LABELS, MAX_QUESTIONS, MAX_STEPS = 200, 30, 11
NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")
LABELLED = (Kind.LABEL, Kind.LABELS, Kind.SPANS)
TAKEN = "A question called {name} already exists. Choose another name."


def of(dataset: Dataset) -> list[Question]:
    """Return the dataset's questions in their order; for the same object they are queried once."""
    found: list[Question] | None = dataset.__dict__.get("asked")
    if found is None:
        found = dataset.__dict__["asked"] = _of(dataset.pk)
    return found


@prepared
def _of(dataset: int) -> QuerySet[Question]:
    return Question.objects.filter(dataset=dataset).order_by("position", "pk")


def create(dataset: Dataset, key: str | None = None, **values: Any) -> Question:
    """Create a question at the end of the list. Raises ValidationError.

    The same question sent again returns the existing one, and so does the same idempotency key, whatever else is sent.
    """

    def make() -> Question:
        fields = _checked(dataset, values)
        same = dataset.questions.filter(name=fields["name"]).first()
        if same is not None:
            if all(getattr(same, name) == value for name, value in fields.items()):
                return same
            raise ValidationError({"name": TAKEN.format(name=fields["name"])})
        if dataset.questions.count() >= MAX_QUESTIONS:
            raise ValidationError(f"A dataset can have at most {MAX_QUESTIONS} questions. Delete one first.")
        last = dataset.questions.aggregate(last=Max("position"))["last"]
        return Question(dataset=dataset, position=0 if last is None else last + 1, **fields)

    def write(question: Question) -> None:
        try:
            question.save()
        except IntegrityError:  # the same name at the same moment, if not the same key
            raise ValidationError({"name": TAKEN.format(name=question.name)}) from None

    return once(dataset.questions, key, make, write)


def change(question: Question, **values: Any) -> Question:
    """Save changed values of a question.

    Raises ValidationError; kind and name stay once there are answers, which would mean nothing otherwise.
    """
    now = {name: getattr(question, name) for name in ("name", "title", "help", "kind", "options", "required")}
    fields = _checked(question.dataset, now | values)
    if (fields["kind"], fields["name"]) != (question.kind, question.name) and answered(question):
        raise ValidationError(
            "This question already has answers, so its name and kind cannot change. Add another question instead."
        )
    _refuse_losing_marks(question, fields)
    if question.dataset.questions.filter(name=fields["name"]).exclude(pk=question.pk).exists():
        raise ValidationError({"name": TAKEN.format(name=fields["name"])})
    for name, value in fields.items():
        setattr(question, name, value)
    question.save(update_fields=list(fields))
    return question


def _refuse_losing_marks(question: Question, fields: dict[str, Any]) -> None:
    """Raise ValidationError if a question about spans that were marked would get another kind, or another text."""
    if question.kind != Kind.SPANS:
        return
    if fields["kind"] != Kind.SPANS:
        if SpanTrail.objects.filter(question=question).exists():  # some wait to be marked again
            raise ValidationError(
                "Spans were already marked under this question, so its kind cannot change. Add another question instead."
            )
    elif fields["options"]["piece"] != question.options.get("piece") and _is_marked(question):
        raise ValidationError(
            "Spans were already marked in this question's text, so it cannot be about another text. Add another question instead."
        )


def answered(question: Question) -> int:
    """Count the people's answers to a question, without drafts."""
    given = Annotation.objects.filter(task__queue__dataset=question.dataset_id, state=Annotation.State.SUBMITTED)
    return given.filter(answers__has_key=question.name).count()


def _is_marked(question: Question) -> bool:
    """Return whether anything refers to places in the question's text, drafts, known answers and suggestions included."""
    name, tasks = question.name, Task.objects.filter(queue__dataset=question.dataset_id)
    return (
        Annotation.objects.filter(task__queue__dataset=question.dataset_id, answers__has_key=name).exists()
        or tasks.filter(Q(answers__has_key=name) | Q(known__has_key=name)).exists()
        or question.suggestions.exists()
        or SpanTrail.objects.filter(question=question).exists()  # of answers that lost all of them
    )


def delete(question: Question, *, even_if_answered: bool = False) -> None:
    """Delete a question. The answers stay in the annotations, where exports find them.

    Raises ValidationError when there are some.
    """
    if not even_if_answered and (count := answered(question)):
        noun = "answer" if count == 1 else "answers"
        raise ValidationError(f"{question.title} has {count:,} {noun}. Send `force` to delete it anyway.")
    question.delete()


def reorder(dataset: Dataset, order: list[int]) -> None:
    """Put the questions in this order of ids. Raises ValidationError unless each is named once."""
    with transaction.atomic():
        rows = {question.pk: question for question in dataset.questions.select_for_update()}
        if sorted(order) != sorted(rows):
            raise ValidationError("Name each question of the dataset once, in the order that you want.")
        for position, pk in enumerate(order):
            rows[pk].position = position
        Question.objects.bulk_update(rows.values(), ["position"])


def move(question: Question, by: int) -> None:
    """Move a question one place up (-1) or down (1)."""
    order = list(question.dataset.questions.values_list("pk", flat=True))
    here = order.index(question.pk)
    there = min(max(here + by, 0), len(order) - 1)
    order.insert(there, order.pop(here))
    reorder(question.dataset, order)


def colored(question: Question) -> list[dict[str, str]]:
    """Return the question's labels with their text and colour: its own, or one by its place."""
    return [
        {
            "value": label["value"],
            "text": label.get("text") or label["value"],
            "color": label.get("color") or COLORS[n % len(COLORS)],
        }
        for n, label in enumerate(question.options.get("labels", []))
    ]


# --- checking --------------------------------------------------------------------------------------


def _checked(dataset: Dataset, values: dict[str, Any]) -> dict[str, Any]:
    """Return all fields of a question, checked. Raises ValidationError by field."""
    title, kind = str(values.get("title") or "").strip(), values.get("kind")
    name = str(values.get("name") or "").strip() or slug(title)
    if not title or len(title) > 200 or not title.isprintable():
        raise ValidationError({"title": "Write the question in at most 200 characters, without line breaks."})
    if kind not in Kind.values:
        raise ValidationError({"kind": f"No kind is called {str(kind)[:40]!r}. Use one of {', '.join(Kind.values)}."})
    if not NAME.fullmatch(name):
        raise ValidationError({"name": "A name consists of small letters, digits, - and _, and begins with a letter."})
    options = values.get("options") or {}
    if not isinstance(options, dict):
        raise ValidationError({"options": "Options must be an object."})
    return {
        "name": name,
        "title": title,
        "help": str(values.get("help") or "").strip()[:500],
        "kind": kind,
        "required": bool(values.get("required", True)),
        "options": _options(kind, options),
    }


def slug(title: str) -> str:
    """Make a question's name from its title."""
    plain = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:60].strip("_")
    return plain if NAME.fullmatch(plain) else f"q_{plain}"[:60].strip("_")


def _options(kind: str, raw: dict[str, Any]) -> dict[str, Any]:
    allowed = {
        Kind.TEXT: {"piece"}, Kind.SPANS: {"labels", "piece"}, Kind.LABEL: {"labels"}, Kind.LABELS: {"labels"},
        Kind.RATING: {"low", "high"}, Kind.RANKING: {"pieces"},
    }.get(Kind(kind), set())  # fmt: skip
    if unknown := raw.keys() - allowed:
        raise ValidationError({"options": f"A question of kind {kind} has no option {sorted(unknown)[0]!r}."})
    options: dict[str, Any] = {}
    if kind in LABELLED:
        options["labels"] = _labels(raw.get("labels"))
    if kind in (Kind.TEXT, Kind.SPANS):
        options["piece"] = _target(raw.get("piece") or "answer")
    if kind == Kind.RATING:
        options |= _steps(raw.get("low", 1), raw.get("high", 5))
    if kind == Kind.RANKING:
        options["pieces"] = _pieces(raw.get("pieces"))
    return options


def _labels(entries: Any) -> list[dict[str, str]]:
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_LABELS:
        raise ValidationError({"labels": f"Enter 1 to {MAX_LABELS} labels."})
    labels = []
    for entry in entries:
        label = {"value": entry} if isinstance(entry, str) else entry
        if not isinstance(label, dict) or label.keys() - {"value", "text", "color"}:
            raise ValidationError({"labels": "A label must be a text, or an object with value, text and color."})
        labels.append(_label(label))
    values = [label["value"] for label in labels]
    if twice := next((value for value in values if values.count(value) > 1), None):
        raise ValidationError({"labels": f"The label {twice!r} appears twice."})
    return labels


def _label(given: dict[str, Any]) -> dict[str, str]:
    value, text = str(given.get("value") or "").strip(), str(given.get("text") or "").strip()
    color = str(given.get("color") or "")
    if not value or len(value) > 100 or not value.isprintable() or len(text) > 200 or not text.isprintable():
        raise ValidationError({"labels": "A label must have 1 to 100 characters, without line breaks."})
    if color and color not in COLORS:
        raise ValidationError({"labels": f"No colour is called {color[:20]!r}. Use one of {', '.join(COLORS)}."})
    return {"value": value} | ({"text": text} if text else {}) | ({"color": color} if color else {})


def _target(name: Any) -> str:
    if not isinstance(name, str) or not targets.is_name(name):
        names = ", ".join([*targets.NAMES, "field:NAME"])
        raise ValidationError({"piece": f"A record has no text {str(name)[:60]!r}. Use one of {names}."})
    return name


def _steps(low: Any, high: Any) -> dict[str, int]:
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (low, high))
    if not whole or not -100 <= low < high <= 100 or high - low >= MAX_STEPS:
        raise ValidationError(
            {"high": f"A rating must go from one whole number up to another, in at most {MAX_STEPS} steps."}
        )
    return {"low": low, "high": high}


def _pieces(given: Any) -> list[str]:
    names = given if isinstance(given, list) else []
    good = all(isinstance(name, str) and 0 < len(name) <= 200 and name.isprintable() for name in names)
    if not good or not 2 <= len(names) <= 9 or len(set(names)) != len(names):
        raise ValidationError({"pieces": "Name 2 to 9 answers to rank, each once."})
    return names
