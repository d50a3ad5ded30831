"""Tables: CSV, CSV that is safe in a spreadsheet, Parquet. Messages, tools, fields and metadata are in their cells as JSON."""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Any

import orjson

from curation.content import Draft
from curation.formats.writers.base import KINDS, Row, Sink, UnsupportedDraft, Writer, reading, register

COLUMNS = {
    "documents": ("id", "group", "fields", "metadata"),
    "conversations": ("id", "group", "messages", "tools", "fields", "metadata"),
    "preferences": ("id", "group", "messages", "chosen", "rejected", "tools", "fields", "metadata"),
}
TALK = ("messages", "chosen", "rejected")
# What a spreadsheet takes for a formula when a cell begins with it (OWASP ASVS 1.2.10), full-width forms included.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
GROUP = 2000  # rows in a group of a Parquet file, which is what a reader holds at once
LINES = 200


def table_row(draft: Draft) -> Row:
    """Return the cells of a draft: all texts."""
    row: Row = {"id": draft.key, "group": draft.group}
    for name in COLUMNS[draft.kind][2:]:
        value = getattr(draft, name)
        row[name] = _json(_role_first(value) if name in TALK else value) if value else ""
    return row


def csv_row(draft: Draft) -> Row:
    """Return the cells of a draft for CSV.

    They are those of table_row, but the sign for an unknown character stays escaped in JSON, since readers refuse it.
    """
    row = {name: cell.replace("\ufffd", "\\ufffd") if name in COLUMNS[draft.kind][2:] else cell
           for name, cell in table_row(draft).items()}  # fmt: skip
    if any("\ufffd" in cell for cell in row.values()):
        raise UnsupportedDraft("An id or a group with the replacement character (�) is refused by the import.")
    return row


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _role_first(messages: list[Any]) -> list[Any]:
    """Put each message's role first: readers of a cell look at its beginning for it."""
    return [{"role": m["role"], **m} if isinstance(m, dict) and "role" in m else m for m in messages]


def safe_cell(value: Any) -> Any:
    """Put a quote before what a spreadsheet would take for a formula (OWASP ASVS 1.2.10)."""
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA) else value


def _cells(row: Row) -> dict[str, str]:
    """Return the row's cells as text; lists become JSON."""
    return {name: cell if isinstance(cell, str) else _json(cell) for name, cell in row.items()}


def write_csv(rows: Iterable[Row], safe: bool = False) -> Iterator[bytes]:
    """Yield the header, then a line for each row, many lines a piece."""
    waiting, names = iter(rows), None
    while chunk := [_cells(row) for row in islice(waiting, LINES)]:
        out = io.StringIO()
        writer = csv.writer(out)
        if names is None:
            names = list(chunk[0])
            writer.writerow(names)
        for row in chunk:
            cells = [row.get(name, "") for name in names]
            writer.writerow([safe_cell(cell) for cell in cells] if safe else cells)
        yield out.getvalue().encode()


def write_safe_csv(rows: Iterable[Row]) -> Iterator[bytes]:
    """Write CSV that is safe in a spreadsheet, with the mark by which spreadsheets know its encoding."""
    for number, piece in enumerate(write_csv(rows, safe=True)):
        yield piece if number else codecs.BOM_UTF8 + piece


def write_parquet(rows: Iterable[Row]) -> Iterator[bytes]:
    """Write a column of text for each part, in groups of rows, of which one is in memory at a time."""
    import pyarrow as pa  # slow to import, and most processes have no use for it
    import pyarrow.parquet as pq

    waiting, sink, writer = iter(rows), Sink(), None
    while chunk := [_cells(row) for row in islice(waiting, GROUP)]:
        names = writer.schema.names if writer else list(chunk[0])
        table = pa.table({name: pa.array([row.get(name, "") for row in chunk], pa.string()) for name in names})
        writer = writer or pq.ParquetWriter(pa.PythonFile(sink, mode="w"), table.schema, compression="zstd")
        writer.write_table(table)
        yield sink.take()
    if writer:
        writer.close()
        yield sink.take()


JSON_CELLS = "Messages, tools, fields and metadata are JSON in their cells."
register(Writer("csv", "CSV, exact", ".csv", KINDS, csv_row, write_csv, cache(reading), about=JSON_CELLS))
register(Writer(
    "csv_safe", "CSV for spreadsheets", ".csv", KINDS, table_row, write_safe_csv, exact=True,
    about="CSV in which cells that look like formulas begin with a quote.",
))  # fmt: skip
register(Writer(
    "parquet", "Parquet", ".parquet", KINDS, table_row, write_parquet, cache(reading), exact=True, about=JSON_CELLS,
))  # fmt: skip
