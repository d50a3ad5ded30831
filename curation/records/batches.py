"""Loading of whole records in bounded memory, a batch at a time."""

from collections.abc import Iterable

from curation.models import Record
from curation.models.records import RecordQuerySet

MOST_WORDS = 200_000  # of the records of one batch, so that long texts do not fill the memory


def heavy(records: RecordQuerySet, size: int | None = None) -> list[Record]:
    """Return at most `size` whole records, and no more than memory allows."""
    pks = fitting(records.values_list("pk", "words")[:size])
    return list(Record.objects.filter(pk__in=pks).order_by("pk"))


def fitting(lengths: Iterable[tuple[int, int]], most: int = MOST_WORDS) -> list[int]:
    """Return the first ids of (id, words), fewer where the texts are long: they are in memory together."""
    pks: list[int] = []
    words = 0
    for pk, length in lengths:
        if pks and words + length > most:
            break
        pks.append(pk)
        words += length
    return pks
