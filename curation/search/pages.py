"""Pages of a dataset's list: by keys, with the number of matching records, and the facet counts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from curation.models import Dataset, Record
from curation.search import facets
from curation.search.filters import SORTS, Filters, read_cursor
from curation.search.results import Results, Slice

LISTED = 500  # of so few, every one is read: their facets are counted, and they are sorted here
UNSEEN = ("fields", "messages", "tools", "chosen", "rejected", "metadata")  # in a list


@dataclass(frozen=True)
class RecordPage:
    """The records of one page, with the cursors of the pages around it, None at the ends; and the number of matches.

    Also whether that number is exact; and what the facets' counts are of: "filter" if few match, else "dataset".
    """

    records: list[Record]
    before: str | None
    after: str | None
    count: int
    exact: bool
    of: str
    counts: facets.Counts
    kept: facets.Counts
    is_short: bool = False  # the time was over before the page was full: the next one goes on from there


def page(filters: Filters, dataset: Dataset, *, after: str = "", before: str = "", size: int = 50) -> RecordPage:
    """Return one page of the list by keys, never by an offset: page 1000 costs what page 1 costs.

    Raises ValidationError for a place that does not exist.
    """
    results, tallies = filters.found(dataset), facets.tallies(dataset)
    counted = _counted(filters, results, tallies)
    rows = facets.rows(dataset, counted.ids, deleted=filters.status == "deleted") if counted.is_few else []
    if counted.is_few:
        looked = Slice(_place_in(filters, rows, before or after, backwards=bool(before))[: size + 1])
    elif counted.in_order and not (before or after):
        looked = Slice(counted.ids[: size + 1], None if len(counted.ids) > size else counted.reached)
    else:
        looked = _place_among_many(filters, results, after, before, size + 1)
    more, shown_ids = len(looked.ids) > size, looked.ids[:size]
    if before:
        shown_ids.reverse()
    there = Record.objects.defer(*UNSEEN).in_bulk(shown_ids)
    shown = [there[pk] for pk in shown_ids if pk in there]
    first, last = (filters.cursor(shown[0]), filters.cursor(shown[-1])) if shown else (None, None)
    if looked.reached is not None:
        first, last = (
            (filters.cursor_at(looked.reached), last) if before else (first, filters.cursor_at(looked.reached))
        )
        more = True
    return RecordPage(
        shown,
        first if (more if before else after) else None,
        last if before or more else None,
        counted.count, counted.exact, "filter" if counted.is_few else "dataset",
        facets.counted(rows) if counted.is_few else tallies, tallies, looked.reached is not None,
    )  # fmt: skip


class _MatchCount(NamedTuple):
    """The number of matches, whether it is complete, and their ids if they are few; else some ids, perhaps the first ones."""

    count: int
    exact: bool
    is_few: bool
    ids: list[int] = []
    reached: int | None = None
    in_order: bool = False


def _counted(filters: Filters, results: Results, tallies: facets.Counts) -> _MatchCount:
    if filters.mistake:
        return _MatchCount(0, True, True)
    count = filters.tallied(tallies)
    if not filters.narrow or (count is not None and count > LISTED):
        return _MatchCount(count or 0, True, False)
    bound = filters.bound(results) if count is None else LISTED
    looked = results.some(filters.order(), bound + 1)
    number = len(looked.ids)
    if looked.reached is None and number <= min(bound, LISTED):
        return _MatchCount(number, True, True, looked.ids)
    if count is not None:
        return _MatchCount(count, True, False)
    exact = looked.reached is None and number <= bound
    return _MatchCount(min(number, bound), exact, False, looked.ids, looked.reached, looked.in_order)


def _place_in(filters: Filters, rows: list[facets.FacetRow], cursor: str, backwards: bool) -> list[int]:
    """Return ids from a place on, sorted here: so few that no index of the order has to be walked."""
    column = SORTS[filters.sort]
    name, down = column.lstrip("-"), column.startswith("-") != backwards
    keys = sorted(((_time(value) if name == "changed_at" else value, row.id) for row in rows
                   for value in (getattr(row, name),)), reverse=down)  # fmt: skip
    if cursor:
        place = read_cursor(cursor, name)
        keys = [key for key in keys if (key < place if down else key > place)]
    return [pk for _, pk in keys]


def _time(value: Any) -> datetime:
    """Return a time from SQLite, which stores times without their zone, UTC."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _place_among_many(filters: Filters, results: Results, after: str, before: str, most: int) -> Slice:
    """Return a page by ids first: an index has them, while each record is stored after its own long texts."""
    backwards = bool(before)
    if before or after:
        results = results.beyond(filters.beyond(before or after, backwards))
    return results.page(filters.order(backwards), most)
