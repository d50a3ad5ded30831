"""Which records of a dataset a list shows, in what order, and where its pages begin: all of it in the URL, by allow-list."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.dateparse import parse_datetime

from curation import search
from curation.models import Dataset, Record
from curation.models.datasets import RecordQuerySet
from curation.splits import SPLITS

SORTS = {"newest": "-id", "oldest": "id", "changed": "-changed_at", "longest": "-words", "shortest": "words"}
CHOICES = {
    "status": (*Record.Status.values, "deleted"),
    "split": SPLITS,
    "problems": ("some", "none"),
    "sort": tuple(SORTS),
}
COUNTED = 10_000  # a search is counted so far: what is more, is more
MAX_IDS = 1000


@dataclass(frozen=True)
class Filters:
    """What a person chose. `ids` is a selection by hand; `import_id` the records of one import."""

    q: str = ""
    status: str = ""
    split: str = ""
    problems: str = ""
    sort: str = "newest"
    import_id: int | None = None
    ids: tuple[int, ...] = ()

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "Filters":
        """From a query string or JSON; other keys are ignored. Raises ValidationError for a value that does not exist."""
        values: dict[str, Any] = {"q": str(given.get("q") or "")[:200].replace("\x00", " ").strip()}
        for name, allowed in CHOICES.items():
            value = given.get(name) or ""
            if value and value not in allowed:
                raise ValidationError(f"There is no {name} {str(value)[:40]!r}: use one of {', '.join(allowed)}.")
            values[name] = value
        values["sort"] = values["sort"] or "newest"
        if given.get("import"):
            values["import_id"] = _id(given["import"])
        values["ids"] = _ids(given.getlist("ids") if hasattr(given, "getlist") else given.get("ids") or ())
        return cls(**values)

    @classmethod
    def lenient(cls, given: Mapping[str, Any]) -> "Filters":
        """As `read`, but what does not exist counts as not given: an old link still opens its list."""
        try:
            return cls.read(given)
        except ValidationError:
            kept = {name: given.get(name) for name, allowed in CHOICES.items() if given.get(name) in allowed}
            return cls.read({**kept, "q": given.get("q")})

    def as_dict(self) -> dict[str, Any]:
        """What is set, under the names of the URL: for links and for `BulkAction.filters`."""
        names = {"import_id": "import"}
        default = Filters()
        return {
            names.get(field.name, field.name): list(value) if isinstance(value, tuple) else value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != getattr(default, field.name)
        }

    @property
    def narrow(self) -> bool:
        """Whether anything is left out of the list."""
        return bool(self.as_dict().keys() - {"sort"})

    def records(self, dataset: Dataset) -> RecordQuerySet:
        """The records that match, in no order yet."""
        records = dataset.records.filter(deleted_at__isnull=self.status != "deleted")
        if self.status and self.status != "deleted":
            records = records.filter(status=self.status)
        if self.split:
            records = records.filter(split=self.split)
        if self.problems:
            records = (
                records.filter(problem_count__gt=0) if self.problems == "some" else records.filter(problem_count=0)
            )
        if self.import_id is not None:
            records = records.filter(imported_by_id=self.import_id)
        if self.ids:
            records = records.filter(pk__in=self.ids)
        return search.matching(records, self.q)

    def count(self, dataset: Dataset) -> tuple[int, bool]:
        """How many match, and whether that is all of them: a search is counted up to a bound."""
        records = self.records(dataset)
        if not self.q:
            return records.count(), True
        found = records.order_by()[: COUNTED + 1].count()
        return min(found, COUNTED), found <= COUNTED

    # --- pages by key ----------------------------------------------------------------------------

    def ordered(self, records: RecordQuerySet, backwards: bool = False) -> RecordQuerySet:
        """In the chosen order, ties by id the same way, so that a place in it is one (value, id)."""
        column = SORTS[self.sort]
        down = column.startswith("-") != backwards
        names = list(dict.fromkeys([column.lstrip("-"), "id"]))
        return records.order_by(*(f"-{name}" if down else name for name in names))

    def beyond(self, records: RecordQuerySet, cursor: str, backwards: bool = False) -> RecordQuerySet:
        """What comes after (or before) a place, in that direction's order. Raises ValidationError for a bad cursor."""
        column = SORTS[self.sort]
        value, pk = _read_cursor(cursor, column.lstrip("-"))
        side = "lt" if column.startswith("-") != backwards else "gt"
        name = column.lstrip("-")
        if name == "id":
            place = Q(**{f"id__{side}": pk})
        else:
            # The first condition is implied by the second; it lets the index begin at the place.
            place = Q(**{f"{name}__{side}e": value}) & (
                Q(**{f"{name}__{side}": value}) | Q(**{name: value, f"id__{side}": pk})
            )
        return self.ordered(records.filter(place), backwards)

    def cursor(self, record: Record) -> str:
        """The place of a record in the chosen order."""
        name = SORTS[self.sort].lstrip("-")
        value = getattr(record, name)
        return f"{value.isoformat() if isinstance(value, datetime) else value}~{record.pk}"

    def neighbours(self, record: Record, dataset: Dataset) -> tuple[int | None, int | None]:
        """Ids of the records before and after this one in the list."""
        records, place = self.records(dataset), self.cursor(record)
        after = self.beyond(records, place).values_list("pk", flat=True).first()
        before = self.beyond(records, place, backwards=True).values_list("pk", flat=True).first()
        return before, after


@dataclass(frozen=True)
class Page:
    """Records of one page, with the cursors of the pages around it, None at the ends."""

    records: list[Record]
    before: str | None
    after: str | None


def page(filters: Filters, dataset: Dataset, *, after: str = "", before: str = "", size: int = 50) -> Page:
    """One page of the list by keys, never by an offset: page 1000 costs what page 1 costs."""
    records = filters.records(dataset).defer("fields", "messages", "tools", "chosen", "rejected", "metadata")
    if before:
        found = list(filters.beyond(records, before, backwards=True)[: size + 1])
        more_before, more_after = len(found) > size, True
        found = found[:size][::-1]
    else:
        found = list((filters.beyond(records, after) if after else filters.ordered(records))[: size + 1])
        more_before, more_after = bool(after), len(found) > size
        found = found[:size]
    return Page(
        found,
        filters.cursor(found[0]) if found and more_before else None,
        filters.cursor(found[-1]) if found and more_after else None,
    )


def _read_cursor(cursor: str, name: str) -> tuple[Any, int]:
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
