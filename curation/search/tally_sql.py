"""The SQL of marks and tallies that both databases share: what is counted of a record, and how it is written."""

from collections.abc import Callable, Iterator

LENGTHS = (0, 1, 10, 25, 50, 100, 200, 400, 800, 1600, 3200, 10_000)  # words: where each bucket begins
NAME = "curation_tally"
KEY = "dataset_id, facet, value, slot"
_BUCKET = "CASE {walk} ELSE '0' END"
Lists = Callable[
    [str, str], Iterator[tuple[str, str, str]]
]  # of a row and a table: (kind, value as SQL, FROM) of the marks


def _bucket(row: str) -> str:
    return _BUCKET.format(
        walk=" ".join(f"WHEN {row}words >= {begin} THEN '{begin}'" for begin in reversed(LENGTHS) if begin)
    )


def scalars(row: str) -> dict[str, str]:
    """Return the facets that are one value of the record, as SQL; a null is not counted."""
    return {
        "status": f"CAST({row}status AS text)",
        "split": f"CAST({row}split AS text)",
        "length": _bucket(row),
        "source": f"coalesce(CAST({row}imported_by_id AS text), '0')",
        "language": f"CAST(nullif({row}language, '') AS text)",
        "annotator": f"CAST({row}reviewed_by_id AS text)",
        "problems": f"CASE WHEN {row}problem_count > 0 THEN 'some' END",
    }


def marks(row: str, table: str, lists: Lists, only: str = "") -> str:
    """Return the SQL of (record_id, dataset_id, kind, value), each once. Problems without a code have no mark."""
    return " UNION ".join(
        f"SELECT {row}id AS record_id, {row}dataset_id AS dataset_id, '{kind}' AS kind, {value} AS value {source}"
        f" AND {value} IS NOT NULL{only}"
        for kind, value, source in lists(row, table)
    )


def counted(row: str, table: str, lists: Lists | None, sign: int = 1) -> str:
    """(dataset_id, facet, value, change), not summed up; of the lists too where their SQL is given."""
    source = f"FROM {table} r " if table else ""
    parts = [
        f"SELECT {row}dataset_id AS dataset_id, '{facet}' AS facet, {value} AS value, {sign} AS change"
        f" {source}WHERE {row}deleted_at IS NULL AND {value} IS NOT NULL"
        for facet, value in scalars(row).items()
    ]
    parts.append(f"SELECT {row}dataset_id, 'deleted', 'deleted', {sign} {source}WHERE {row}deleted_at IS NOT NULL")
    if lists is not None:
        listed = marks(row, table, lists, only=f" AND {row}deleted_at IS NULL")
        parts.append(f"SELECT dataset_id, kind, value, {sign} FROM ({listed}) m")  # noqa: S608
    return " UNION ALL ".join(parts)


def tally(changes: str, slot: str = "0") -> str:
    """Return the SQL that writes the sums of changes, in one order for all.

    What is deleted with its dataset leaves no count behind.
    """
    return f"""INSERT INTO {NAME} ({KEY}, count)
        SELECT dataset_id, facet, value, {slot}, sum(change) FROM ({changes}) c
        WHERE EXISTS (SELECT 1 FROM curation_dataset d WHERE d.id = dataset_id)
        GROUP BY dataset_id, facet, value HAVING sum(change) <> 0 ORDER BY dataset_id, facet, value
        ON CONFLICT ({KEY}) DO UPDATE SET count = {NAME}.count + excluded.count;"""  # noqa: S608 - our own names


def learn(marks: str) -> str:
    return f"INSERT INTO curation_mark (record_id, dataset_id, kind, value) SELECT record_id, dataset_id, kind, value FROM ({marks}) m;"  # noqa: S608
