"""Search terms as database conditions. Names come from an allow-list; values are parameters."""

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import BooleanField, F, Func, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.expressions import RawSQL
from django.utils import timezone

from atelier.accounts.models import User
from atelier.web import border
from curation.models import Annotation, Assignment, Comment, Dataset, Mark, SelectedRecord, Suggestion
from curation.models.records import RecordQuerySet
from curation.search import facets, fulltext
from curation.search.query import LIMIT, Term

TEXT = ("words", "phrase")
# The number stands in the statement: of a parameter SQLite cannot know that it fits the index of records with problems.
WITH_PROBLEMS = Q(problem_count__gt=RawSQL("0", []))
PROBED = 2000  # of a mark on more records than this, each record is asked; else the records are looked up
_PLAIN = re.compile(r"[A-Za-z0-9 ,.;:!?'/_-]*[A-Za-z][A-Za-z0-9 ,.;:!?'/_-]*")  # tokenised alike everywhere
_NO_STRINGS = frozenset(
    {"true", "false", "null"}
)  # as text; in JSON they may be no strings, which the index does not hold


def besides_text(records: RecordQuerySet, terms: list[Term], dataset: Dataset) -> RecordQuerySet:
    """Return the records that meet every term but those that `said` and `refused` cover."""
    for term in terms:
        if term.name not in TEXT:
            condition = _READERS[term.name](term, dataset)
            records = records.filter(~condition if term.negated else condition)
    return records


def said(terms: list[Term]) -> fulltext.FulltextQuery | None:
    """Return the full-text query for the words that must occur and those that must not besides; None if no record can match."""
    return fulltext.asked(*_texts(terms))


def refused(terms: list[Term]) -> str:
    """Return the full-text query for words that must not occur, when no words must occur."""
    wanted, unwanted = _texts(terms)
    return "" if wanted else fulltext.any_of(unwanted)


def _texts(terms: list[Term]) -> tuple[list[fulltext.TextTerm], list[fulltext.TextTerm]]:
    """Return the text terms as (wanted, unwanted)."""
    text = [term for term in terms if term.name in TEXT]
    wanted = [fulltext.TextTerm(term.value, term.name == "phrase") for term in text if not term.negated]
    wanted += [fulltext.TextTerm(term.value, True) for term in terms if _is_narrowed_by_text(term)]
    return wanted, [fulltext.TextTerm(term.value, True) for term in text if term.negated]


def is_slow(terms: list[Term]) -> bool:
    """Return whether each record has to be tested, because no index covers the terms."""
    asked = {"label", "problem", "by", "has", "is", "created", "assigned", "in"}
    return any(
        term.name in asked
        or (term.name == "field" and not _is_narrowed_by_text(term))
        or (term.name in TEXT and term.negated)
        for term in terms
    )


def is_text_alone(terms: list[Term]) -> bool:
    return all(term.name in TEXT for term in terms)


def _is_narrowed_by_text(term: Term) -> bool:
    """Return whether the full text may find the records first; what it finds is still compared exactly."""
    return (
        term.name == "field"
        and not term.negated
        and term.value not in _NO_STRINGS
        and _PLAIN.fullmatch(term.value) is not None
    )


class IsNotNull(Func):
    template = "(%(expressions)s IS NOT NULL)"
    arity = 1
    output_field = BooleanField()


class HasField(Func):
    """The condition that the record's own data has this value under this key; an empty value means the key alone."""

    output_field = BooleanField()
    arity = 4  # column, key, key again, value

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        value = (
            "CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' WHEN 'null' THEN 'null'"
            " ELSE CAST(value AS TEXT) END"
        )
        return self._as(
            compiler,
            "EXISTS(SELECT 1 FROM json_each({0}) WHERE key = {1} AND ({3} = '' OR " + value + " = {3}))",  # noqa: S608 - our own words
        )

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self._as(
            compiler, "CASE WHEN {3}::text = '' THEN jsonb_exists({0}, {1}::text)"
            " ELSE coalesce(({0} ->> {1}::text) = {3}::text, false) END",
        )  # fmt: skip

    def _as(self, compiler: Any, template: str) -> tuple[str, tuple[Any, ...]]:
        """Return the template with the parts in it, its parameters in the order in which their places come."""
        compiled = [compiler.compile(part) for part in self.source_expressions]
        found: list[Any] = []
        for place in re.findall(r"\{(\d)\}", template):
            found += compiled[int(place)][1]
        return template.format(*(sql for sql, _ in compiled)), tuple(found)


def _field(term: Term, dataset: Dataset) -> Q:
    key, value = Value(term.key), Value(term.value)
    return Q(HasField(F("fields"), key, key, value)) | Q(HasField(F("metadata"), key, key, value))


def _status(term: Term, dataset: Dataset) -> Q:
    return Q(deleted_at__isnull=False) if term.value == "deleted" else Q(status=term.value)


def _equal(name: str) -> Callable[[Term, Dataset], Q]:
    return lambda term, dataset: Q(**{name: term.value})


def _language(term: Term, dataset: Dataset) -> Q:
    return Q(language="" if term.value.lower() == "none" else term.value.lower())


def _mark(term: Term, dataset: Dataset) -> Q:
    marks = Mark.objects.filter(dataset=dataset, kind=term.name)
    if term.value == "none":
        return ~_asked(marks)
    marks = marks.filter(value=term.value)
    if facets.count(dataset, term.name, term.value) > PROBED:
        return _asked(marks)
    return Q(pk__in=marks.values("record_id"))


def _by(term: Term, dataset: Dataset) -> Q:
    if term.value.lower() == "nobody":
        return Q(reviewed_by=None, reviewed_note="")
    people = _people(term.value)
    return Q(reviewed_by_id__in=people) if people else Q(reviewed_note__iexact=term.value)


def _people(name: str) -> list[int]:
    return list(User.objects.filter(username__iexact=name.removeprefix("@")).values_list("pk", flat=True)[:5])


def _assigned(term: Term, dataset: Dataset) -> Q:
    given = Assignment.objects.filter(task__queue__dataset=dataset)
    if term.value.lower() == "nobody":
        return ~Q(pk__in=given.values("task__record_id"))
    return Q(pk__in=given.filter(user_id__in=_people(term.value)).values("task__record_id"))


def _source(term: Term, dataset: Dataset) -> Q:
    if term.value.lower() == "none":
        # Without the tally a million records would be read to find none. Of deleted ones it knows nothing.
        is_none = not facets.count(dataset, "source", "0") and not facets.count(dataset, "deleted", "deleted")
        return Q(pk__in=[]) if is_none else Q(imported_by=None)
    if (pk := border.whole(term.value)) is not None:
        return Q(imported_by_id=pk)
    named = list(dataset.imports.filter(original_name__icontains=term.value).values_list("pk", flat=True)[:200])
    return Q(imported_by_id__in=named) if named else Q(origin__icontains=term.value)


def _asked(rows: QuerySet[Any]) -> Q:
    """Return the condition that the record has such a row, tested for each record.

    There EXISTS lets PostgreSQL join both tables as a whole.
    """
    return Q(IsNotNull(Subquery(rows.order_by().filter(record=OuterRef("pk")).values("pk")[:1])))


def _there(rows: QuerySet[Any]) -> Q:
    """Return the condition that the record has such a row; if the installation has few such rows, they are looked up."""
    found = list(rows.order_by().values_list("record_id", flat=True)[: PROBED + 1])
    return _asked(rows) if len(found) > PROBED else Q(pk__in=sorted(set(found)))


def _has(term: Term, dataset: Dataset) -> Q:
    return {
        "problem": lambda: WITH_PROBLEMS,
        "comment": lambda: _there(Comment.objects.all()),
        "label": lambda: _asked(Mark.objects.filter(dataset=dataset, kind="label")),
        "suggestion": lambda: _there(Suggestion.objects.all()),
        "annotation": lambda: _there(Annotation.objects.filter(state=Annotation.State.SUBMITTED)),
        "duplicate": lambda: Q(cluster__isnull=False),
        "source": lambda: Q(source__isnull=False),
        "note": lambda: ~Q(reviewed_note=""),
    }[term.value]()


def _is(term: Term, dataset: Dataset) -> Q:
    return {"checked": Q(is_checked=True), "reviewed": ~Q(status="new"), "edited": Q(revision__gt=1)}[term.value]


def _number(name: str) -> Callable[[Term, Dataset], Q]:
    def read(term: Term, dataset: Dataset) -> Q:
        least, most = term.low or 0, LIMIT - 1 if term.high is None else term.high
        wanted = Q(**{f"{name}__gte": least})
        return wanted & Q(**{f"{name}__lte": most}) if most != LIMIT - 1 else wanted

    return read


def _day(day: int | date | None) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min)) if isinstance(day, date) else timezone.now()


def _days(name: str) -> Callable[[Term, Dataset], Q]:
    def read(term: Term, dataset: Dataset) -> Q:
        condition = Q()
        if term.low is not None:
            condition &= Q(**{f"{name}__gte": _day(term.low)})
        if isinstance(term.high, date):
            condition &= Q(**{f"{name}__lt": _day(term.high + timedelta(days=1))})
        return condition

    return read


def _in(term: Term, dataset: Dataset) -> Q:
    chosen = SelectedRecord.objects.filter(selection_id=term.low, selection__dataset=dataset)
    return Q(pk__in=chosen.values("record_id"))


_READERS: dict[str, Callable[[Term, Dataset], Q]] = {
    "field": _field, "status": _status, "split": _equal("split"), "label": _mark, "problem": _mark, "language": _language,
    "by": _by, "assigned": _assigned, "source": _source, "has": _has, "is": _is, "length": _number("words"),
    "tokens": _number("tokens"), "changed": _days("changed_at"), "created": _days("created_at"), "in": _in,
    "cluster": lambda term, dataset: Q(cluster=term.low),
}  # fmt: skip
