"""Lists of the records that a search finds: the same records as `Filters.records`, by the shortest way to a page or a count.

A plain statement goes first, and may take so long. What is slower is looked at piece by piece in the order of the list, until
the page is full or the time is over: then it is said how far that came, and the list goes on from there. PostgreSQL chooses
its way by its statistics. SQLite has none of texts, so there the matches are followed in the order of its full-text index,
which is the order of ids, or few records are asked whether they match.
"""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django.db import connection
from django.db.models import F, Q
from django.db.models.expressions import RawSQL

from curation import texts
from curation.looking import Time, TooSlow, within
from curation.models.datasets import RecordQuerySet

# Seconds of a plain statement, and again of looking piece by piece. PostgreSQL looks at the clock only now and then, so that some
# of its statements take twice as long.
LIMITS = {"sqlite": 0.02, "postgresql": 0.015}
ASKED = 5000  # records that the other conditions leave: so few are looked up in the text
PROBE = 5  # matches for each of these, of which all are read sooner than each record is asked
FREQUENT = 100_000  # records with all words of a phrase: of more, they are looked at piece by piece
PIECES = (200, 4000)  # records in the first piece, and in the largest
NEWEST = ["-id"]


def limit() -> float:
    return LIMITS[connection.vendor]


@dataclass(frozen=True)
class Looked:
    """Ids that were found, and the id at which the time was over; None where nothing was left out. `in_order` says that they
    are the first ones of the order that was wished for.
    """

    ids: list[int]
    reached: int | None = None
    in_order: bool = True


@dataclass(frozen=True)
class Found:
    """Records that meet `records` and say what `text` asks (None: no record can), and nothing of what `refused` asks. `base` are
    all records of the list; `is_narrowed` says that `records` are fewer.
    """

    records: RecordQuerySet
    base: RecordQuerySet
    text: texts.Asked | None = texts.NOTHING
    refused: str = ""
    is_narrowed: bool = False
    place: tuple[str, int] | None = None  # (comparison, id) where a page by id begins

    def all(self) -> RecordQuerySet:
        """Every one of them, as a plain condition."""
        return texts.refusing(texts.saying(self.records, self.text), self.refused)

    def some(self, order: Sequence[str], most: int) -> Looked:
        """Some of them, to count: the first ones of this order where that costs no more."""
        if self.has_text:
            newest = self._streamed(down=True, most=most, time=Time(limit())) if self._few is None else self._each_of(
                self._few, most, Time(2 * limit())
            )  # fmt: skip
            return replace(newest, in_order=list(order) == NEWEST)
        if self._gathers_many:
            return self._slowly(order, most, 2)
        try:
            with within(limit()):
                return Looked(list(self.all().order_by().values_list("pk", flat=True)[:most]), in_order=False)
        except TooSlow:
            return self._slowly(order, most)

    def page(self, order: Sequence[str], most: int, is_bounded: bool = True) -> Looked:
        """The first ids in an order, given as for `order_by`; every one is looked at unless `is_bounded`."""
        if not self.has_text:
            return self._stated(self.all(), order, most, is_bounded)
        time = Time(limit() if is_bounded else None)
        if self._few is not None:
            return self._each_of(self._sorted(self._few, order), most, time)
        if len(order) == 1:
            return self._streamed(order[0].startswith("-"), most, time)
        if (wanted := self._gathered()) is not None:
            return self._walked(order, most, time, wanted)
        return self._stated(self._each_asked(), order, most, is_bounded)

    def beyond(self, place: Q) -> "Found":
        """Those behind a place, as `behind` gives it."""
        (only, *more) = place.children
        sides = {"id__lt": "<", "id__gt": ">"}
        by_id = (sides[only[0]], only[1]) if not more and isinstance(only, tuple) and only[0] in sides else None
        return replace(self, records=self.records.filter(place), base=self.base.filter(place), place=by_id)

    # --- a statement, or piece by piece ----------------------------------------------------------

    def _stated(self, found: RecordQuerySet, order: Sequence[str], most: int, is_bounded: bool = True) -> Looked:
        rows = found.order_by(*order).values_list("pk", flat=True)[:most]
        if not is_bounded:
            return Looked(list(rows))
        if self._gathers_many:
            return self._slowly(order, most, 2)
        try:
            with within(limit()):
                return Looked(list(rows))
        except TooSlow:
            return self._slowly(order, most)

    def _slowly(self, order: Sequence[str], most: int, limits: int = 1) -> Looked:
        """Piece by piece, after a plain statement took too long; for two limits instead of one, where none was tried."""
        time = Time(limits * limit())
        if self._few is None:
            return self._walked(order, most, time)
        return self._each_of(self._sorted(self._few, order), most, time)

    def _walked(self, order: Sequence[str], most: int, time: Time, wanted: set[int] | None = None) -> Looked:
        """The list in its order: some records, which of them are meant, and so on. `wanted` are all that match the text."""
        found: list[int] = []
        base, size, column = self.base, PIECES[0], order[0].lstrip("-")
        while True:
            piece = list(base.order_by(*order).values_list("pk", column)[:size])
            found += self._passing([pk for pk, _ in piece], wanted)
            if len(found) >= most or len(piece) < size:
                return Looked(found[:most])
            if time.is_over:
                return Looked(found, reached=piece[-1][0])
            base = self.base.filter(behind(order[0], piece[-1][1], piece[-1][0]))
            size = time.next_size(size, PIECES[1])

    def _passing(self, pks: Sequence[int], wanted: set[int] | None = None) -> list[int]:
        """Those of some records that are meant, in the order given."""
        if wanted is not None:
            pks, records = [pk for pk in pks if pk in wanted], self.records
        else:
            records = self._each_asked() if self.has_text else self.all()
        there = set(_among(records, pks).order_by().values_list("pk", flat=True)) if pks else ()
        return [pk for pk in pks if pk in there]

    # --- texts -----------------------------------------------------------------------------------

    @property
    def has_text(self) -> bool:
        """Whether a text is looked for in SQLite's index."""
        return connection.vendor == "sqlite" and self._asks

    @property
    def _asks(self) -> bool:
        return bool((self.text and self.text.query) or self.refused)

    @cached_property
    def _gathers_many(self) -> bool:
        return bool(self.text and self.text.query) and texts.gathers_many(self.text.query)

    @cached_property
    def _few(self) -> list[int] | None:
        """Where the other conditions leave few records, those that may match, the newest first; else None."""
        if not self._asks or not self.is_narrowed or self.text is None:
            return None
        try:
            with within(limit() / 2):
                few = list(self.records.order_by("-pk").values_list("pk", flat=True)[: ASKED + 1])
        except TooSlow:
            return None
        return few if len(few) <= ASKED else None

    def _sorted(self, pks: list[int], order: Sequence[str]) -> list[int]:
        """Few records, given the newest first, in another order."""
        if list(order) == NEWEST:
            return pks
        return list(_among(self.base, pks).order_by(*order).values_list("pk", flat=True))

    def _each_of(self, pks: Sequence[int], most: int, time: Time) -> Looked:
        """Those of few records that match the text, in the order given."""
        if self.has_text and self.text and self.text.query and not self._is_long_phrase:
            bound = PROBE * len(pks)
            if texts.frequency(self.text.query, bound + 1) <= bound:
                there = set(texts.among(self.text.query, pks))
                return Looked([pk for pk in pks if pk in there][:most])
        found: list[int] = []
        begin, size = 0, PIECES[0]
        while begin < len(pks):
            found += self._passing(pks[begin : begin + size])
            begin += size
            if len(found) >= most:
                return Looked(found[:most])
            if time.is_over and begin < len(pks):
                return Looked(found, reached=pks[begin - 1])
            size = time.next_size(size, PIECES[0])
        return Looked(found)

    def _each_asked(self) -> RecordQuerySet:
        """Each record is asked for the text."""
        records = texts.asking(self.records, self.text.query) if self.text and self.text.query else self.records
        return records.filter(~Q(texts.Contains(F("pk"), query=self.refused))) if self.refused else records

    def _gathered(self) -> set[int] | None:
        """All that match the text, where they are not many: else each record is asked, which is sooner the more match."""
        if self.refused or self.text is None or self._is_long_phrase:
            return None
        if texts.frequency(self.text.query, texts.GATHERED + 1) > texts.GATHERED:
            return None
        return set(texts.stream(self.text.query, down=True))

    @cached_property
    def _is_long_phrase(self) -> bool:
        """Whether very many records have all the words of a phrase."""
        return bool(self.text and self.text.loosely and texts.frequency(self.text.loosely, FREQUENT + 1) > FREQUENT)

    def _streamed(self, down: bool, most: int, time: Time) -> Looked:
        """The matches in the order of their ids, each with its other conditions."""
        found: list[int] = []
        with closing(self._pieces(down)) as pieces:
            for piece, reached in pieces:
                there = set(_among(self.records, piece).order_by().values_list("pk", flat=True))
                found += [pk for pk in piece if pk in there]
                if len(found) >= most:
                    return Looked(found[:most])
                if time.is_over:
                    return Looked(found, reached=reached)
        return Looked(found)

    def _pieces(self, down: bool) -> Any:
        if self.text is None:
            return texts.pieces(iter(()), None, down)
        if not self.text.query:
            ids = self.base.order_by("-id" if down else "id").values_list("pk", flat=True)
            return texts.pieces(ids.iterator(), texts.stream(self.refused, down, self.place), down)
        if self._is_long_phrase:
            return texts.of_phrases(self.text, down, self.place)
        return texts.pieces(texts.stream(self.text.query, down, self.place), None, down)


def behind(sort: str, value: Any, pk: int) -> Q:
    """What comes after a record in the order by a column ("-words") and then by id the same way."""
    name, side = sort.lstrip("-"), "lt" if sort.startswith("-") else "gt"
    if name == "id":
        return Q(**{f"id__{side}": pk})
    # The first condition is implied by the second; it lets the index begin at the place.
    return Q(**{f"{name}__{side}e": value}) & (Q(**{f"{name}__{side}": value}) | Q(**{name: value, f"id__{side}": pk}))


def _among(records: RecordQuerySet, pks: Sequence[int]) -> RecordQuerySet:
    """Those of many ids, given as one parameter: thousands of them take longer than the query."""
    if connection.vendor == "sqlite":
        return records.filter(pk__in=RawSQL("SELECT value FROM json_each(%s)", [json.dumps(list(pks))]))
    return records.extra(where=["curation_record.id = ANY(%s)"], params=[list(pks)])
