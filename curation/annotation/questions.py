"""The questions of a dataset: adding, changing, ordering, ending them. Options are checked against an allow-list."""

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max, QuerySet

from atelier.statements import kept
from curation.annotation import targets
from curation.models import Annotation, Dataset, Question

Kind = Question.Kind
COLORS = ("blue", "green", "amber", "red", "violet", "teal", "pink", "grey")
MAX_LABELS, MAX_QUESTIONS, MAX_STEPS = 200, 30, 11
NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")
LABELLED = (Kind.LABEL, Kind.LABELS, Kind.SPANS)
TAKEN = "There is a question called {name} already: choose another name."


def of(dataset: Dataset) -> list[Question]:
    """The dataset's questions in their order; of one and the same object they are asked for once."""
    found: list[Question] | None = dataset.__dict__.get("asked")
    if found is None:
        found = dataset.__dict__["asked"] = _of(dataset.pk)
    return found


@kept
def _of(dataset: int) -> QuerySet[Question]:
    return Question.objects.filter(dataset=dataset).order_by("position", "pk")


def create(dataset: Dataset, key: str | None = None, **values: Any) -> Question:
    """A question at the end of the list. Raises ValidationError. The same question sent again gives the one that is there,
    and so does the same idempotency key, whatever else is said."""
    keyed = dataset.questions.filter(idempotency_key=key)
    if key and (found := keyed.first()):
        return found
    fields = _checked(dataset, values)
    found = dataset.questions.filter(name=fields["name"]).first()
    if found is not None:
        if all(getattr(found, name) == value for name, value in fields.items()):
            return found
        raise ValidationError({"name": TAKEN.format(name=fields["name"])})
    if dataset.questions.count() >= MAX_QUESTIONS:
        raise ValidationError(f"A dataset has at most {MAX_QUESTIONS} questions: delete one first.")
    last = dataset.questions.aggregate(last=Max("position"))["last"]
    try:
        with transaction.atomic():
            return Question.objects.create(
                dataset=dataset, position=0 if last is None else last + 1, idempotency_key=key or None, **fields
            )
    except IntegrityError:  # the same key or name at the same moment
        if key and (found := keyed.first()):
            return found
        raise ValidationError({"name": TAKEN.format(name=fields["name"])}) from None


def change(question: Question, **values: Any) -> Question:
    """Save other values. Raises ValidationError; kind and name stay once there are answers, for they would mean nothing."""
    now = {name: getattr(question, name) for name in ("name", "title", "help", "kind", "options", "required")}
    fields = _checked(question.dataset, now | values)
    if (fields["kind"], fields["name"]) != (question.kind, question.name) and answered(question):
        raise ValidationError("It has answers already: name and kind stay. Add another question instead.")
    if question.dataset.questions.filter(name=fields["name"]).exclude(pk=question.pk).exists():
        raise ValidationError({"name": TAKEN.format(name=fields["name"])})
    for name, value in fields.items():
        setattr(question, name, value)
    question.save(update_fields=list(fields))
    return question


def answered(question: Question) -> int:
    """How many people's answers there are, drafts not counted."""
    given = Annotation.objects.filter(task__queue__dataset=question.dataset_id, state=Annotation.State.SUBMITTED)
    return given.filter(answers__has_key=question.name).count()


def delete(question: Question, *, even_if_answered: bool = False) -> None:
    """End a question. The answers stay in the annotations, where exports find them. Raises ValidationError when there are some."""
    if not even_if_answered and (count := answered(question)):
        noun = "answer" if count == 1 else "answers"
        raise ValidationError(f"{question.title} has {count:,} {noun}: say that it shall go all the same.")
    question.delete()


def reorder(dataset: Dataset, order: list[int]) -> None:
    """Put the questions in this order of ids. Raises ValidationError unless each is named once."""
    with transaction.atomic():
        rows = {question.pk: question for question in dataset.questions.select_for_update()}
        if sorted(order) != sorted(rows):
            raise ValidationError("Name each question of the dataset once, in the order you want.")
        for position, pk in enumerate(order):
            rows[pk].position = position
        Question.objects.bulk_update(rows.values(), ["position"])


def move(question: Question, by: int) -> None:
    """One place up (-1) or down (1)."""
    order = list(question.dataset.questions.values_list("pk", flat=True))
    here = order.index(question.pk)
    there = min(max(here + by, 0), len(order) - 1)
    order.insert(there, order.pop(here))
    reorder(question.dataset, order)


def colored(question: Question) -> list[dict[str, str]]:
    """The labels with their text and colour: its own, or by its place."""
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
    """All fields of a question from what was given. Raises ValidationError by field."""
    title, kind = str(values.get("title") or "").strip(), values.get("kind")
    name = str(values.get("name") or "").strip() or slug(title)
    if not title or len(title) > 200 or not title.isprintable():
        raise ValidationError({"title": "Ask the question in at most 200 characters, without line breaks."})
    if kind not in Kind.values:
        raise ValidationError({"kind": f"There is no kind {str(kind)[:40]!r}: use one of {', '.join(Kind.values)}."})
    if not NAME.fullmatch(name):
        raise ValidationError({"name": "A name has small letters, digits, - and _, and begins with a letter."})
    options = values.get("options") or {}
    if not isinstance(options, dict):
        raise ValidationError({"options": "Options are an object."})
    return {
        "name": name,
        "title": title,
        "help": str(values.get("help") or "").strip()[:500],
        "kind": kind,
        "required": bool(values.get("required", True)),
        "options": _options(kind, options),
    }


def slug(title: str) -> str:
    """A name made from a title."""
    plain = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:60].strip("_")
    return plain if NAME.fullmatch(plain) else f"q_{plain}"[:60].strip("_")


def _options(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    allowed = {
        Kind.TEXT: {"piece"}, Kind.SPANS: {"labels", "piece"}, Kind.LABEL: {"labels"}, Kind.LABELS: {"labels"},
        Kind.RATING: {"low", "high"}, Kind.RANKING: {"pieces"},
    }.get(Kind(kind), set())  # fmt: skip
    if unknown := given.keys() - allowed:
        raise ValidationError({"options": f"A question of kind {kind} has no option {sorted(unknown)[0]!r}."})
    kept: dict[str, Any] = {}
    if kind in LABELLED:
        kept["labels"] = _labels(given.get("labels"))
    if kind in (Kind.TEXT, Kind.SPANS):
        kept["piece"] = _target(given.get("piece") or "answer")
    if kind == Kind.RATING:
        kept |= _steps(given.get("low", 1), given.get("high", 5))
    if kind == Kind.RANKING:
        kept["pieces"] = _pieces(given.get("pieces"))
    return kept


def _labels(given: Any) -> list[dict[str, str]]:
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_LABELS:
        raise ValidationError({"labels": f"Give 1 to {MAX_LABELS} labels."})
    found = []
    for one in given:
        label = {"value": one} if isinstance(one, str) else one
        if not isinstance(label, dict) or label.keys() - {"value", "text", "color"}:
            raise ValidationError({"labels": "A label is a text, or an object of value, text and color."})
        found.append(_label(label))
    values = [label["value"] for label in found]
    if twice := next((value for value in values if values.count(value) > 1), None):
        raise ValidationError({"labels": f"The label {twice!r} is there twice."})
    return found


def _label(given: dict[str, Any]) -> dict[str, str]:
    value, text = str(given.get("value") or "").strip(), str(given.get("text") or "").strip()
    color = str(given.get("color") or "")
    if not value or len(value) > 100 or not value.isprintable() or len(text) > 200 or not text.isprintable():
        raise ValidationError({"labels": "A label has 1 to 100 characters, without line breaks."})
    if color and color not in COLORS:
        raise ValidationError({"labels": f"There is no color {color[:20]!r}: use one of {', '.join(COLORS)}."})
    return {"value": value} | ({"text": text} if text else {}) | ({"color": color} if color else {})


def _target(name: Any) -> str:
    if not isinstance(name, str) or not targets.is_name(name):
        names = ", ".join([*targets.NAMES, "field:NAME"])
        raise ValidationError({"piece": f"There is no text {str(name)[:60]!r} in a record: use one of {names}."})
    return name


def _steps(low: Any, high: Any) -> dict[str, int]:
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (low, high))
    if not whole or not -100 <= low < high <= 100 or high - low >= MAX_STEPS:
        raise ValidationError(
            {"high": f"A rating goes from one whole number up to another, in {MAX_STEPS} steps at most."}
        )
    return {"low": low, "high": high}


def _pieces(given: Any) -> list[str]:
    names = given if isinstance(given, list) else []
    good = all(isinstance(name, str) and 0 < len(name) <= 200 and name.isprintable() for name in names)
    if not good or not 2 <= len(names) <= 9 or len(set(names)) != len(names):
        raise ValidationError({"pieces": "Name 2 to 9 answers to rank, each once."})
    return names
