"""Search results as lists: the same records as `Filters.records`, by the shortest way to a page or a count.

A plain statement is tried first, with a time limit. If it is slower, the list is searched piece by piece in its order,
until the page is full or the time is over: then the page shows how far that came, and the list continues from there.
PostgreSQL chooses its plan by its statistics. SQLite has none of texts, so there the matches are followed in the order
of its full-text index, which is the order of ids, or few records are tested for a match.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django.db.models import F, Q

from curation.models.records import RecordQuerySet
from curation.search import fulltext, sqlite
from curation.search.deadline import StatementTooSlow, TimeLeft, within
from curation.search.dialect import dialect

ASKED = 5000  # records that the other conditions leave: so few are looked up in the text
PROBE = 5  # matches for each of these, of which all are read sooner than each record is asked
FREQUENT = 100_000  # records with all words of a phrase: of more, they are looked at piece by piece
PIECES = (200, 4000)  # records in the first piece, and in the largest
NEWEST = ["-id"]


@dataclass(frozen=True)
class Slice:
    """Ids that were found, and the id at which the time was over; None if nothing was left out.

    `in_order` is true if they are the first ones of the requested order.
    """

    ids: list[int]
    reached: int | None = None
    in_order: bool = True


@dataclass(frozen=True)
class Results:
    """Records that meet `records` and match `text` (None: no record can), and nothing of what `refused` matches.

    `base` are all records of the list; `is_narrowed` is true if `records` are fewer.
    """

    records: RecordQuerySet
    base: RecordQuerySet
    text: fulltext.FulltextQuery | None = fulltext.NOTHING
    refused: str = ""
    is_narrowed: bool = False
    place: tuple[str, int] | None = None  # (comparison, id) where a page by id begins

    def all(self) -> RecordQuerySet:
        """Return all matching records, as a plain condition."""
        return fulltext.refusing(fulltext.saying(self.records, self.text), self.refused)

    def some(self, order: Sequence[str], most: int) -> Slice:
        """Return some matching records, to count them: the first ones of this order if that costs no more."""
        if self.has_text:
            newest = self._streamed(down=True, most=most, time=TimeLeft(dialect.LIMIT)) if self._few is None else self._each_of(
                self._few, most, TimeLeft(2 * dialect.LIMIT)
            )  # fmt: skip
            return replace(newest, in_order=list(order) == NEWEST)
        if self._gathers_many:
            return self._slowly(order, most, 2)
        try:
            with within(dialect.LIMIT):
                return Slice(list(self.all().order_by().values_list("pk", flat=True)[:most]), in_order=False)
        except StatementTooSlow:
            return self._slowly(order, most)

    def page(self, order: Sequence[str], most: int, is_bounded: bool = True) -> Slice:
        """Return the first ids in an order, given as for `order_by`; every record is looked at unless `is_bounded`."""
        if not self.has_text:
            return self._stated(self.all(), order, most, is_bounded)
        time = TimeLeft(dialect.LIMIT if is_bounded else None)
        if self._few is not None:
            return self._each_of(self._sorted(self._few, order), most, time)
        if len(order) == 1:
            return self._streamed(order[0].startswith("-"), most, time)
        if (wanted := self._gathered()) is not None:
            return self._walked(order, most, time, wanted)
        return self._stated(self._each_asked(), order, most, is_bounded)

    def beyond(self, place: Q) -> "Results":
        """Return the results after a place, as `behind` gives it."""
        (only, *more) = place.children
        sides = {"id__lt": "<", "id__gt": ">"}
        by_id = (sides[only[0]], only[1]) if not more and isinstance(only, tuple) and only[0] in sides else None
        return replace(self, records=self.records.filter(place), base=self.base.filter(place), place=by_id)

    # --- a statement, or piece by piece ----------------------------------------------------------

    def _stated(self, records: RecordQuerySet, order: Sequence[str], most: int, is_bounded: bool = True) -> Slice:
        rows = records.order_by(*order).values_list("pk", flat=True)[:most]
        if not is_bounded:
            return Slice(list(rows))
        if self._gathers_many:
            return self._slowly(order, most, 2)
        try:
            with within(dialect.LIMIT):
                return Slice(list(rows))
        except StatementTooSlow:
            return self._slowly(order, most)

    def _slowly(self, order: Sequence[str], most: int, limits: int = 1) -> Slice:
        """Search piece by piece, after a plain statement took too long; within two limits instead of one if none was tried."""
        time = TimeLeft(limits * dialect.LIMIT)
        if self._few is None:
            return self._walked(order, most, time)
        return self._each_of(self._sorted(self._few, order), most, time)

    def _walked(self, order: Sequence[str], most: int, time: TimeLeft, wanted: set[int] | None = None) -> Slice:
        """Walk the list in its order: take some records, keep the matching ones, repeat.

        `wanted` are all that match the text.
        """
        ids: list[int] = []
        base, size, column = self.base, PIECES[0], order[0].lstrip("-")
        while True:
            piece = list(base.order_by(*order).values_list("pk", column)[:size])
            ids += self._passing([pk for pk, _ in piece], wanted)
            if len(ids) >= most or len(piece) < size:
                return Slice(ids[:most])
            if time.is_over:
                return Slice(ids, reached=piece[-1][0])
            base = self.base.filter(behind(order[0], piece[-1][1], piece[-1][0]))
            size = time.next_size(size, PIECES[1])

    def _passing(self, pks: Sequence[int], wanted: set[int] | None = None) -> list[int]:
        """Return the matching ones of some records, in the order given."""
        if wanted is not None:
            pks, records = [pk for pk in pks if pk in wanted], self.records
        else:
            records = self._each_asked() if self.has_text else self.all()
        there = set(dialect.among(records, pks).order_by().values_list("pk", flat=True)) if pks else ()
        return [pk for pk in pks if pk in there]

    # --- texts -----------------------------------------------------------------------------------

    @property
    def has_text(self) -> bool:
        """Return whether a text is searched in SQLite's index."""
        return dialect.FOLLOWS_TEXTS and self._asks

    @property
    def _asks(self) -> bool:
        return bool((self.text and self.text.query) or self.refused)

    @cached_property
    def _gathers_many(self) -> bool:
        return bool(self.text and self.text.query) and fulltext.gathers_many(self.text.query)

    @cached_property
    def _few(self) -> list[int] | None:
        """Return the records that may match, the newest first, if the other conditions leave few; else None."""
        if not self._asks or not self.is_narrowed or self.text is None:
            return None
        try:
            with within(dialect.LIMIT / 2):
                few = list(self.records.order_by("-pk").values_list("pk", flat=True)[: ASKED + 1])
        except StatementTooSlow:
            return None
        return few if len(few) <= ASKED else None

    def _sorted(self, pks: list[int], order: Sequence[str]) -> list[int]:
        """Return few records, given the newest first, in another order."""
        if list(order) == NEWEST:
            return pks
        return list(dialect.among(self.base, pks).order_by(*order).values_list("pk", flat=True))

    def _each_of(self, pks: Sequence[int], most: int, time: TimeLeft) -> Slice:
        """Return which of few records match the text, in the order given."""
        if self.has_text and self.text and self.text.query and not self._is_long_phrase:
            bound = PROBE * len(pks)
            if sqlite.frequency(self.text.query, bound + 1) <= bound:
                there = set(sqlite.matches_among(self.text.query, pks))
                return Slice([pk for pk in pks if pk in there][:most])
        ids: list[int] = []
        begin, size = 0, PIECES[0]
        while begin < len(pks):
            ids += self._passing(pks[begin : begin + size])
            begin += size
            if len(ids) >= most:
                return Slice(ids[:most])
            if time.is_over and begin < len(pks):
                return Slice(ids, reached=pks[begin - 1])
            size = time.next_size(size, PIECES[0])
        return Slice(ids)

    def _each_asked(self) -> RecordQuerySet:
        """Return the results with each record tested for the text."""
        records = fulltext.asking(self.records, self.text.query) if self.text and self.text.query else self.records
        return records.filter(~Q(fulltext.Contains(F("pk"), query=self.refused))) if self.refused else records

    def _gathered(self) -> set[int] | None:
        """Return all ids that match the text if they are not many.

        Otherwise each record is tested, which is faster the more match.
        """
        if self.refused or self.text is None or self._is_long_phrase:
            return None
        if sqlite.frequency(self.text.query, fulltext.GATHERED + 1) > fulltext.GATHERED:
            return None
        return set(sqlite.stream(self.text.query, down=True))

    @cached_property
    def _is_long_phrase(self) -> bool:
        """Return whether very many records have all the words of a phrase."""
        return bool(self.text and self.text.loosely and sqlite.frequency(self.text.loosely, FREQUENT + 1) > FREQUENT)

    def _streamed(self, down: bool, most: int, time: TimeLeft) -> Slice:
        """Return the matches in the order of their ids, each tested for its other conditions."""
        ids: list[int] = []
        with closing(self._pieces(down)) as pieces:
            for piece, reached in pieces:
                there = set(dialect.among(self.records, piece).order_by().values_list("pk", flat=True))
                ids += [pk for pk in piece if pk in there]
                if len(ids) >= most:
                    return Slice(ids[:most])
                if time.is_over:
                    return Slice(ids, reached=reached)
        return Slice(ids)

    def _pieces(self, down: bool) -> Any:
        if self.text is None:
            return fulltext.pieces(iter(()), None, down)
        if not self.text.query:
            ids = self.base.order_by("-id" if down else "id").values_list("pk", flat=True)
            return fulltext.pieces(ids.iterator(), sqlite.stream(self.refused, down, self.place), down)
        if self._is_long_phrase:
            return fulltext.of_phrases(self.text, down, self.place)
        return fulltext.pieces(sqlite.stream(self.text.query, down, self.place), None, down)


def behind(sort: str, value: Any, pk: int) -> Q:
    """Return the condition of coming after a record by a column ("-words"), then by id in the same direction."""
    name, side = sort.lstrip("-"), "lt" if sort.startswith("-") else "gt"
    if name == "id":
        return Q(**{f"id__{side}": pk})
    # The first condition is implied by the second; it lets the index begin at the place.
    return Q(**{f"{name}__{side}e": value}) & (Q(**{f"{name}__{side}": value}) | Q(**{name: value, f"id__{side}": pk}))
