"""Which records of a dataset a list shows, in what order, and where its pages begin: all of it in the URL, by allow-list."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.utils.dateparse import parse_datetime

from curation import conditions, facets
from curation.matches import Found, behind
from curation.models import Dataset, Record
from curation.models.datasets import RecordQuerySet
from curation.query import QueryError, Term, parse
from curation.splits import SPLITS

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
    """What a person chose. `ids` is a selection by hand; `import_id` the records of one import; `unanswered_in` the id of a
    dataset in which the records have no answer yet. `mistake` says what is wrong with `q`: then nothing matches.
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
    def read(cls, given: Mapping[str, Any], strict: bool = False) -> "Filters":
        """From a query string or JSON; other keys are ignored, or an error when `strict`. Raises ValidationError for a
        value that does not exist, and with a sentence for a mistake in the search.
        """
        if strict and (unknown := set(given) - NAMES - {"sort"}):
            raise ValidationError(f"There is no filter {sorted(unknown)[0][:40]!r}: use {', '.join(sorted(NAMES))}.")
        found = cls._read(given)
        if found.mistake:
            raise ValidationError(found.mistake)
        return found

    @classmethod
    def _read(cls, given: Mapping[str, Any]) -> "Filters":
        values: dict[str, Any] = {"q": str(given.get("q") or "")[:MAX_SEARCH].replace("\x00", " ").strip()}
        for name, allowed in CHOICES.items():
            value = given.get(name) or ""
            if value and value not in allowed:
                raise ValidationError(f"There is no {name} {str(value)[:40]!r}: use one of {', '.join(allowed)}.")
            values[name] = value
        values["sort"] = values["sort"] or "newest"
        values["import_id"] = _id(given["import"]) if given.get("import") else None
        values["unanswered_in"] = _id(given["unanswered_in"]) if given.get("unanswered_in") else None
        values["ids"] = _ids(given.getlist("ids") if hasattr(given, "getlist") else given.get("ids") or ())
        try:
            asked = parse(values["q"])
        except QueryError as error:
            return cls(**values, mistake=str(error))
        if any(term.name == "status" and term.value == "deleted" and not term.negated for term in asked):
            values["status"] = values["status"] or "deleted"
        return cls(**values)

    @classmethod
    def lenient(cls, given: Mapping[str, Any]) -> "Filters":
        """As `read`, but what does not exist counts as not given: an old link still opens its list. A mistake in the
        search is kept beside it.
        """
        try:
            return cls._read(given)
        except ValidationError:
            kept = {name: given.get(name) for name, allowed in CHOICES.items() if given.get(name) in allowed}
            return cls._read({**kept, "q": given.get("q")})

    def as_dict(self) -> dict[str, Any]:
        """What is set, under the names of the URL: for links and for `BulkAction.filters`."""
        names = {"import_id": "import"}
        default = Filters()
        return {
            names.get(field.name, field.name): list(value) if isinstance(value, tuple) else value
            for field in dataclasses.fields(self)
            if field.name != "mistake" and (value := getattr(self, field.name)) != getattr(default, field.name)
        }

    @property
    def narrow(self) -> bool:
        """Whether anything is left out of the list."""
        return bool(self.as_dict().keys() - {"sort"})

    def terms(self) -> list[Term]:
        return [] if self.mistake else parse(self.q)

    def records(self, dataset: Dataset) -> RecordQuerySet:
        """The records that match, in no order yet."""
        return self.found(dataset).all()

    def found(self, dataset: Dataset) -> Found:
        """The same as a list asks for them, page by page."""
        base = records = dataset.records.filter(deleted_at__isnull=self.status != "deleted")
        if self.mistake:
            return Found(records.none(), base)
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
        return Found(records, base, conditions.said(terms), conditions.refused(terms), is_narrowed)

    def count(self, dataset: Dataset) -> tuple[int, bool]:
        """How many match, and whether that is all of them: what no tally knows is counted up to a bound."""
        if self.mistake:
            return 0, True
        if (known := self.tallied(facets.tallies(dataset))) is not None:
            return known, True
        found = self.found(dataset)
        bound = self.bound(found)
        looked = found.some(self.order(), bound + 1)
        return min(len(looked.ids), bound), looked.reached is None and len(looked.ids) <= bound

    def bound(self, found: Found) -> int:
        """So far is counted what no tally knows."""
        terms = self.terms()
        if conditions.is_slow(terms):
            return COUNTED_SLOWLY
        if not found.text or not found.text.query:
            return COUNTED
        # PostgreSQL looks at each always.
        return COUNTED_DEARLY if found.is_narrowed or connection.vendor == "postgresql" else COUNTED_TEXTS

    def tallied(self, kept: facets.Counts) -> int | None:
        """The count where it is kept: of everything, or of one facet's value. None where several meet."""
        terms = self.terms()
        if self.ids or self.unanswered_in is not None or any(term.negated for term in terms):
            return None
        wanted = {("status" if self.status != "deleted" else "deleted", self.status)} if self.status else set()
        wanted |= {("split", self.split)} if self.split else set()
        wanted |= {("problems", self.problems)} if self.problems else set()
        wanted |= {("source", str(self.import_id))} if self.import_id is not None else set()
        for term in terms:
            if term.name not in KEPT or term.value in ("none", "deleted") or term.low is not None:
                return None
            wanted.add((term.name, term.value.lower() if term.name == "language" else term.value))
        if len(wanted) > 1:
            return None
        if not wanted or wanted == {("problems", "none")}:
            everything = sum(number for (facet, _), number in kept.items() if facet == "status")
            return everything - (kept.get(("problems", "some"), 0) if wanted else 0)
        return kept.get(wanted.pop(), 0)

    def words(self) -> str:
        """As a phrase: "accepted, of the train split, without problems"."""
        parts = [
            str(Record.Status(self.status).label).lower() if self.status in Record.Status.values else "",
            f"of the {self.split} split" if self.split else "",
            {"none": "without problems", "some": "with problems"}.get(self.problems, ""),
            f"found by “{self.q}”" if self.q else "",
            f"of import {self.import_id}" if self.import_id is not None else "",
            f"among {len(self.ids)} chosen" if self.ids else "",
            "not answered yet" if self.unanswered_in is not None else "",
        ]
        return ", ".join(part for part in parts if part) or "there"

    # --- pages by key ----------------------------------------------------------------------------

    def order(self, backwards: bool = False) -> list[str]:
        """The chosen order, ties by id the same way, so that a place in it is one (value, id)."""
        column = SORTS[self.sort]
        down = column.startswith("-") != backwards
        return [f"-{name}" if down else name for name in dict.fromkeys([column.lstrip("-"), "id"])]

    def beyond(self, cursor: str, backwards: bool = False) -> Q:
        """What comes after (or before) a place in the chosen order. Raises ValidationError for a bad cursor."""
        column = SORTS[self.sort]
        name = column.lstrip("-")
        return behind(("-" if column.startswith("-") != backwards else "") + name, *read_cursor(cursor, name))

    def cursor(self, record: Record) -> str:
        """The place of a record in the chosen order."""
        name = SORTS[self.sort].lstrip("-")
        value = getattr(record, name)
        # Z for +00:00: in an address a plus is a blank.
        text = value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        return f"{text}~{record.pk}"

    def cursor_at(self, pk: int) -> str:
        """The place of a record by its id: also of one that is gone, in the order of ids."""
        if SORTS[self.sort].lstrip("-") == "id":
            return f"{pk}~{pk}"
        return self.cursor(Record.objects.only("id", "words", "changed_at").get(pk=pk))

    def neighbours(self, record: Record, dataset: Dataset) -> tuple[int | None, int | None]:
        """Ids of the records before and after this one in the list."""
        found, place = self.found(dataset), self.cursor(record)
        before, after = (
            found.beyond(self.beyond(place, backwards)).page(self.order(backwards), 1, is_bounded=False).ids
            for backwards in (True, False)
        )
        return before[0] if before else None, after[0] if after else None


def toggled(q: str, term: str) -> str:
    """A search with a condition added, or taken away where it is there."""
    there = f" {q} "
    return (there.replace(f" {term} ", " ") if f" {term} " in there else f"{there}{term}").strip()


def read_cursor(cursor: str, name: str) -> tuple[Any, int]:
    """(value of the column that sorts, id). Raises ValidationError for a place that does not exist."""
    value, _, pk = cursor.partition("~")
    try:
        parsed: Any = parse_datetime(value) if name == "changed_at" else int(value)
        if parsed is None:
            raise ValueError
        return _small(parsed), _small(int(pk))
    except ValueError:
        raise ValidationError("This page of the list does not exist: begin again at the first one.") from None


def _small(value: Any) -> Any:
    """Numbers beyond 64 bits are an error of the database, so they are one here."""
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError
    return value


def _id(value: Any) -> int:
    try:
        return int(_small(int(value)))
    except (TypeError, ValueError):
        raise ValidationError(f"{str(value)[:40]!r} is no id: ids are whole numbers.") from None


def _ids(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list | tuple):
        raise ValidationError("`ids` must be a list of ids.")
    if len(values) > MAX_IDS:
        raise ValidationError(
            f"At most {MAX_IDS} records can be chosen by hand: choose everything that matches instead."
        )
    return tuple(_id(value) for value in values)
