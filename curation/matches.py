"""Lists of the records that a search finds: the same records as `Filters.records`, by the shortest way to a page or a count.

Three ways lead to records that hold some words and meet other conditions. Few matches of the text are looked up. Where the
other conditions leave few records, those are asked. Else the matches are followed in their order, or the list is walked in
its own and each record is asked, until the page is full. PostgreSQL chooses by its statistics; for SQLite it is done here.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from django.db import connection
from django.db.models import F, Q
from django.db.models.expressions import RawSQL

from curation import search
from curation.models.datasets import RecordQuerySet

LOOKED_UP = 5000  # matches of the text
ASKED = 10_000  # records that the other conditions leave
GATHERED = 300_000  # matches that are gathered into a set; of more, each record is asked


@dataclass(frozen=True)
class Found:
    """Records, and in the index's language what they must say; None where no record can say it."""

    records: RecordQuerySet
    text: str | None = ""
    is_narrowed: bool = False  # whether `records` are fewer than all present ones of the dataset
    place: tuple[str, int] | None = None  # (comparison, id) where a page by id begins

    def ids(self, most: int) -> list[int]:
        """Some of them, in any order."""
        return list(self._unordered(most).values_list("pk", flat=True)[:most])

    def count(self, most: int) -> int:
        """How many there are, up to a bound."""
        return self._unordered(most).values("pk")[:most].count()

    def page(self, order: Sequence[str], most: int) -> list[int]:
        """The first ids in an order, given as for `order_by`."""
        found = self._asked() if self._is_sqlite else None
        if found is not None or not self._is_sqlite:
            return list(
                (found if found is not None else self.all()).order_by(*order).values_list("pk", flat=True)[:most]
            )
        if len(order) == 1:  # by id: so are the matches
            down = order[0].startswith("-")
            walked = self._followed().extra(order_by=[f"{'-' if down else ''}{search.TABLE}.rowid"])
        else:
            walked = self._probed().order_by(*order)
        return list(walked.values_list("pk", flat=True)[:most])

    def all(self) -> RecordQuerySet:
        """Every one of them, as a plain condition."""
        return search.saying(self.records, self.text)

    def beyond(self, place: Q) -> "Found":
        """Those behind a place, as `Filters.beyond` gives it."""
        (only, *more) = place.children
        sides = {"id__lt": "<", "id__gt": ">"}
        by_id = (sides[only[0]], only[1]) if not more and isinstance(only, tuple) and only[0] in sides else None
        return replace(self, records=self.records.filter(place), place=by_id)

    # --- SQLite ----------------------------------------------------------------------------------

    @property
    def _is_sqlite(self) -> bool:
        return connection.vendor == "sqlite"

    def _unordered(self, most: int) -> RecordQuerySet:
        records = self._asked() if self._is_sqlite else self.all()
        return (self._followed() if records is None else records).order_by()

    @cached_property
    def _is_rare(self) -> bool:
        return not self.text or search.frequency(self.text, LOOKED_UP + 1) <= LOOKED_UP

    def _asked(self) -> RecordQuerySet | None:
        """By a set of ids, where one is small; None where neither is."""
        if not self.text or self._is_rare:
            return self.all()
        if not self.is_narrowed:
            return None
        few = list(self.records.order_by().values_list("pk", flat=True)[: ASKED + 1])
        if len(few) > ASKED:
            return None
        chosen = self.records.filter(pk__in=RawSQL("SELECT value FROM json_each(%s)", [json.dumps(few)]))
        return Found(chosen, self.text)._probed()

    def _followed(self) -> RecordQuerySet:
        """The matches in their order, each with its record: the sign before `rowid` keeps SQLite from going the other way."""
        where = [f"{search.TABLE} MATCH %s", f"curation_record.id = +{search.TABLE}.rowid"]
        params: list[object] = [self.text]
        if self.place is not None:
            where.append(f"{search.TABLE}.rowid {self.place[0]} %s")
            params.append(self.place[1])
        return self.records.extra(tables=[search.TABLE], where=where, params=params)  # noqa: S610

    def _probed(self) -> RecordQuerySet:
        """Each record is asked for the text. One beginning of a word stands for many words, whose matches are put together
        anew for each question: so those are gathered once.
        """
        text = self.text or ""
        if "*" in text or search.frequency(text, GATHERED + 1) <= GATHERED:
            return search.saying(self.records, text)
        return self.records.filter(search.Contains(F("pk"), query=text))
