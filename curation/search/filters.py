"""Filters of a dataset's list: which records, in what order, and where its pages begin; all of it in the URL, by allow-list."""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q
from django.utils.dateparse import parse_datetime

from atelier.characters import flaw
from atelier.web import border
from curation.models import Dataset, Record
from curation.models.records import RecordQuerySet
from curation.records.splits import SPLITS
from curation.search import conditions, facets
from curation.search.dialect import dialect
from curation.search.query import QueryError, Term, parse
from curation.search.results import Results, behind

SORTS = {"newest": "-id", "oldest": "id", "changed": "-changed_at", "longest": "-words", "shortest": "words"}
CHOICES = {
    "status": (*Record.Status.values, "deleted"),
    "split": SPLITS,
    "problems": ("some", "none"),
    "sort": tuple(SORTS),
}
COUNTED = 10_000  # what no tally knows is counted so far: what is more, is more
COUNTED_SLOWLY = 1000  # where no index has all that is asked
COUNTED_TEXTS = 5000  # of the full-text index
COUNTED_DEARLY = 2000  # where each record that this index finds is looked at
MAX_IDS = 1000
MAX_SEARCH = 500  # characters
KEPT = ("status", "split", "label", "problem", "language")  # names of the search language that tallies count


NAMES = {"q", "status", "split", "problems", "import", "ids", "unanswered_in"}  # as in the URL of the list


@dataclass(frozen=True)
class Filters:
    """The filters that a person chose. `ids` is a selection by hand; `import_id` the records of one import.

    `unanswered_in` is the id of a dataset in which the records have no answer yet. `mistake` states what is wrong with
    `q`: then nothing matches.
    """

    q: str = ""
    status: str = ""
    split: str = ""
    problems: str = ""
    sort: str = "newest"
    import_id: int | None = None
    ids: tuple[int, ...] = ()
    unanswered_in: int | None = None
    mistake: str = dataclasses.field(default="", compare=False)

    @classmethod
    def read(cls, values: Mapping[str, Any], strict: bool = False, besides: Collection[str] = ()) -> "Filters":
        """Read filters from a query string or JSON. Other keys are ignored, or an error when `strict`.

        `strict` is for whatever changes records: a misspelt filter would take them all. `besides` are keys of the same
        form that are no filters. Raises ValidationError for a value that does not exist, and with a sentence for a
        mistake in the search.
        """
        if strict and (unknown := set(values) - NAMES - {"sort", "csrfmiddlewaretoken", *besides}):
            raise ValidationError(f"No filter is called {sorted(unknown)[0][:40]!r}. Use {', '.join(sorted(NAMES))}.")
        filters = cls._read(values)
        if filters.mistake:
            raise ValidationError(filters.mistake)
        return filters

    @classmethod
    def _read(cls, given: Mapping[str, Any]) -> "Filters":
        values: dict[str, Any] = {"q": str(given.get("q") or "")[:MAX_SEARCH].strip()}
        for name, allowed in CHOICES.items():
            value = given.get(name) or ""
            if value and value not in allowed:
                raise ValidationError(f"No {name} is called {str(value)[:40]!r}. Use one of {', '.join(allowed)}.")
            values[name] = value
        values["sort"] = values["sort"] or "newest"
        values["import_id"] = _id(given["import"]) if given.get("import") else None
        values["unanswered_in"] = _id(given["unanswered_in"]) if given.get("unanswered_in") else None
        values["ids"] = _ids(given.getlist("ids") if hasattr(given, "getlist") else given.get("ids") or ())
        if wrong := flaw(values["q"]):
            return cls(**values | {"q": ""}, mistake=f"The search {wrong}")
        try:
            terms = parse(values["q"])
        except QueryError as error:
            return cls(**values, mistake=str(error))
        if any(term.name == "status" and term.value == "deleted" and not term.negated for term in terms):
            values["status"] = values["status"] or "deleted"
        return cls(**values)

    @classmethod
    def lenient(cls, values: Mapping[str, Any]) -> "Filters":
        """Read filters, ignoring values that do not exist: an old link still opens its list.

        A mistake in the search is kept beside it.
        """
        try:
            return cls._read(values)
        except ValidationError:
            choices = {name: values.get(name) for name, allowed in CHOICES.items() if values.get(name) in allowed}
            return cls._read({**choices, "q": values.get("q")})

    def as_dict(self) -> dict[str, Any]:
        """Return what is set, under the names of the URL: for links and for `BulkAction.filters`."""
        names = {"import_id": "import"}
        default = Filters()
        return {
            names.get(field.name, field.name): list(value) if isinstance(value, tuple) else value
            for field in dataclasses.fields(self)
            if field.name != "mistake" and (value := getattr(self, field.name)) != getattr(default, field.name)
        }

    @property
    def narrow(self) -> bool:
        """Return whether anything is left out of the list."""
        return bool(self.as_dict().keys() - {"sort"})

    def terms(self) -> list[Term]:
        return [] if self.mistake else parse(self.q)

    def records(self, dataset: Dataset) -> RecordQuerySet:
        """Return the records that match, in no order yet."""
        return self.found(dataset).all()

    def found(self, dataset: Dataset) -> Results:
        """Return the matching records as a list queries them, page by page."""
        base = records = dataset.records.filter(deleted_at__isnull=self.status != "deleted")
        if self.mistake:
            return Results(records.none(), base)
        if self.status and self.status != "deleted":
            records = records.filter(status=self.status)
        if self.split:
            records = records.filter(split=self.split)
        if self.problems:
            records = (
                records.filter(conditions.WITH_PROBLEMS) if self.problems == "some" else records.filter(problem_count=0)
            )
        if self.import_id is not None:
            records = records.filter(imported_by_id=self.import_id)
        if self.ids:
            records = records.filter(pk__in=self.ids)
        if self.unanswered_in is not None:
            answers = Record.objects.present().filter(source=OuterRef("pk"), dataset_id=self.unanswered_in)
            records = records.filter(~Exists(answers.filter(dataset__project_id=dataset.project_id)))
        terms = self.terms()
        is_narrowed = bool(self.as_dict().keys() - {"sort", "q"}) or not conditions.is_text_alone(terms)
        records = conditions.besides_text(records, terms, dataset)
        return Results(records, base, conditions.said(terms), conditions.refused(terms), is_narrowed)

    def count(self, dataset: Dataset) -> tuple[int, bool]:
        """Count the matches, and return whether that is all of them: what no tally knows is counted up to a bound."""
        if self.mistake:
            return 0, True
        if (known := self.tallied(facets.tallies(dataset))) is not None:
            return known, True
        results = self.found(dataset)
        bound = self.bound(results)
        looked = results.some(self.order(), bound + 1)
        return min(len(looked.ids), bound), looked.reached is None and len(looked.ids) <= bound

    def bound(self, results: Results) -> int:
        """Return the bound up to which matches that no tally knows are counted."""
        terms = self.terms()
        if conditions.is_slow(terms):
            return COUNTED_SLOWLY
        if not results.text or not results.text.query:
            return COUNTED
        # PostgreSQL looks at each always.
        return COUNTED_DEARLY if results.is_narrowed or not dialect.FOLLOWS_TEXTS else COUNTED_TEXTS

    def tallied(self, tallies: facets.Counts) -> int | None:
        """Return the stored count: of everything, or of one facet's value. None if several filters meet."""
        terms = self.terms()
        if self.ids or self.unanswered_in is not None or any(term.negated for term in terms):
            return None
        facet_values = {("status" if self.status != "deleted" else "deleted", self.status)} if self.status else set()
        facet_values |= {("split", self.split)} if self.split else set()
        facet_values |= {("problems", self.problems)} if self.problems else set()
        facet_values |= {("source", str(self.import_id))} if self.import_id is not None else set()
        for term in terms:
            if term.name not in KEPT or term.value in ("none", "deleted") or term.low is not None:
                return None
            facet_values.add((term.name, term.value.lower() if term.name == "language" else term.value))
        if len(facet_values) > 1:
            return None
        if not facet_values or facet_values == {("problems", "none")}:
            everything = sum(number for (facet, _), number in tallies.items() if facet == "status")
            return everything - (tallies.get(("problems", "some"), 0) if facet_values else 0)
        return tallies.get(facet_values.pop(), 0)

    def words(self) -> str:
        """Describe the filters as a phrase: "accepted, of the train split, without problems"."""
        parts = [
            str(Record.Status(self.status).label).lower() if self.status in Record.Status.values else "",
            f"of the {self.split} split" if self.split else "",
            {"none": "without problems", "some": "with problems"}.get(self.problems, ""),
            f"found by “{self.q}”" if self.q else "",
            f"of import {self.import_id}" if self.import_id is not None else "",
            f"among {len(self.ids)} selected" if self.ids else "",
            "unanswered" if self.unanswered_in is not None else "",
        ]
        return ", ".join(part for part in parts if part) or "all"

    # --- pages by key ----------------------------------------------------------------------------

    def order(self, backwards: bool = False) -> list[str]:
        """Return the chosen order, ties by id in the same direction, so that a place in it is one (value, id)."""
        column = SORTS[self.sort]
        down = column.startswith("-") != backwards
        return [f"-{name}" if down else name for name in dict.fromkeys([column.lstrip("-"), "id"])]

    def beyond(self, cursor: str, backwards: bool = False) -> Q:
        """Return the condition of coming after (or before) a place in the chosen order.

        Raises ValidationError for a bad cursor.
        """
        column = SORTS[self.sort]
        name = column.lstrip("-")
        return behind(("-" if column.startswith("-") != backwards else "") + name, *read_cursor(cursor, name))

    def cursor(self, record: Record) -> str:
        """Return the place of a record in the chosen order."""
        name = SORTS[self.sort].lstrip("-")
        value = getattr(record, name)
        # Z for +00:00: in an address a plus is a blank.
        text = value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        return f"{text}~{record.pk}"

    def cursor_at(self, pk: int) -> str:
        """Return the place of a record by its id: also of one that is deleted, in the order of ids."""
        if SORTS[self.sort].lstrip("-") == "id":
            return f"{pk}~{pk}"
        return self.cursor(Record.objects.only("id", "words", "changed_at").get(pk=pk))

    def neighbours(self, record: Record, dataset: Dataset) -> tuple[int | None, int | None]:
        """Return the ids of the records before and after this one in the list."""
        results, place = self.found(dataset), self.cursor(record)
        before, after = (
            results.beyond(self.beyond(place, backwards)).page(self.order(backwards), 1, is_bounded=False).ids
            for backwards in (True, False)
        )
        return before[0] if before else None, after[0] if after else None


def toggled(q: str, term: str) -> str:
    """Return a search with a condition added, or removed if it is there."""
    there = f" {q} "
    return (there.replace(f" {term} ", " ") if f" {term} " in there else f"{there}{term}").strip()


def read_cursor(cursor: str, name: str) -> tuple[Any, int]:
    """Return (value of the column that sorts, id). Raises ValidationError for a place that does not exist."""
    value, _, pk = cursor.partition("~")
    try:
        parsed: Any = _moment(value) if name == "changed_at" else border.whole(value)
    except (ValueError, OverflowError):  # the 31st of February, or the first hour of the year 1 in Samoa
        parsed = None
    if parsed is None or (number := border.whole(pk)) is None:
        raise ValidationError("This page of the list does not exist. Start again at the first page.")
    return parsed, number


def _moment(value: str) -> datetime | None:
    found = parse_datetime(value)
    return found and (found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC))


def _id(value: Any) -> int:
    if (number := border.whole(value)) is None:
        raise ValidationError(f"{str(value)[:40]!r} isn't an id. Ids are whole numbers.")
    return number


def _ids(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list | tuple):
        raise ValidationError("`ids` must be a list of ids.")
    if len(values) > MAX_IDS:
        raise ValidationError(
            f"At most {MAX_IDS} records can be selected by hand. Select everything that matches instead."
        )
    return tuple(_id(value) for value in values)
