"""Pages of a dataset's list: by keys, with how many records match, and the counts beside them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from curation import facets
from curation.filters import SORTS, Filters, read_cursor
from curation.matches import Found, Looked
from curation.models import Dataset, Record

LISTED = 500  # of so few, every one is read: their facets are counted, and they are sorted here
UNSEEN = ("fields", "messages", "tools", "chosen", "rejected", "metadata")  # in a list


@dataclass(frozen=True)
class Page:
    """Records of one page, with the cursors of the pages around it, None at the ends; how many match in all, and whether
    that is exact; and of what the facets' counts are: "filter" where few match, else "dataset".
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


def page(filters: Filters, dataset: Dataset, *, after: str = "", before: str = "", size: int = 50) -> Page:
    """One page of the list by keys, never by an offset: page 1000 costs what page 1 costs. Raises ValidationError for a
    place that does not exist.
    """
    found, kept = filters.found(dataset), facets.tallies(dataset)
    counted = _counted(filters, found, kept)
    rows = facets.rows(dataset, counted.ids, deleted=filters.status == "deleted") if counted.is_few else []
    if counted.is_few:
        looked = Looked(_place_in(filters, rows, before or after, backwards=bool(before))[: size + 1])
    elif counted.in_order and not (before or after):
        looked = Looked(counted.ids[: size + 1], None if len(counted.ids) > size else counted.reached)
    else:
        looked = _place_among_many(filters, found, after, before, size + 1)
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
    return Page(
        shown,
        first if (more if before else after) else None,
        last if before or more else None,
        counted.count, counted.exact, "filter" if counted.is_few else "dataset",
        facets.counted(rows) if counted.is_few else kept, kept, looked.reached is not None,
    )  # fmt: skip


class _Counted(NamedTuple):
    """How many match, whether that is all of them, and their ids where they are few; else some of them, perhaps the first ones."""

    count: int
    exact: bool
    is_few: bool
    ids: list[int] = []
    reached: int | None = None
    in_order: bool = False


def _counted(filters: Filters, found: Found, kept: facets.Counts) -> _Counted:
    if filters.mistake:
        return _Counted(0, True, True)
    known = filters.tallied(kept)
    if not filters.narrow or (known is not None and known > LISTED):
        return _Counted(known or 0, True, False)
    bound = filters.bound(found) if known is None else LISTED
    looked = found.some(filters.order(), bound + 1)
    number = len(looked.ids)
    if looked.reached is None and number <= min(bound, LISTED):
        return _Counted(number, True, True, looked.ids)
    if known is not None:
        return _Counted(known, True, False)
    exact = looked.reached is None and number <= bound
    return _Counted(min(number, bound), exact, False, looked.ids, looked.reached, looked.in_order)


def _place_in(filters: Filters, rows: list[facets.Row], cursor: str, backwards: bool) -> list[int]:
    """Ids from a place on, sorted here: so few that no index of the order has to be walked."""
    column = SORTS[filters.sort]
    name, down = column.lstrip("-"), column.startswith("-") != backwards
    keys = sorted(((_time(value) if name == "changed_at" else value, row.id) for row in rows
                   for value in (getattr(row, name),)), reverse=down)  # fmt: skip
    if cursor:
        place = read_cursor(cursor, name)
        keys = [key for key in keys if (key < place if down else key > place)]
    return [pk for _, pk in keys]


def _time(value: Any) -> datetime:
    """SQLite keeps times without their zone, which is UTC."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _place_among_many(filters: Filters, found: Found, after: str, before: str, most: int) -> Looked:
    """Ids first: an index has them, while each record stands behind its own long texts."""
    backwards = bool(before)
    if before or after:
        found = found.beyond(filters.beyond(before or after, backwards))
    return found.page(filters.order(backwards), most)
