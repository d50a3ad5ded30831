"""Parquet files, a few rows at a time."""

import datetime
import decimal
import json
import math
import uuid
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.formats.rows import LIMITS, FormatError, Row, bad_row

# Small, because the size of a row is known only once it is unpacked.
BATCH = 64


def open_parquet(file: IO[bytes], size: int) -> pq.ParquetFile:
    """Raises FormatError for a damaged file, or one that unpacks to far more than it holds."""
    try:
        parquet = pq.ParquetFile(
            file, pre_buffer=False, thrift_string_size_limit=100 << 20, thrift_container_size_limit=1 << 20
        )
    except (pa.ArrowException, OSError, ValueError) as error:
        text = f"This is no readable Parquet file ({_first_line(error)}): write it again, or send it as JSON Lines."
        raise FormatError(text) from error
    meta = parquet.metadata
    if meta.num_columns > LIMITS.columns:
        raise FormatError(f"The table has {meta.num_columns:,} columns; at most {LIMITS.columns:,} can be read.")
    unpacked = sum(meta.row_group(index).total_byte_size for index in range(meta.num_row_groups))
    if unpacked > LIMITS.unpacked or (unpacked > LIMITS.ratio_from and unpacked > LIMITS.ratio * max(size, 1)):
        raise FormatError(f"The file would unpack to {unpacked >> 20:,} MB, far more than it should: it is refused.")
    return parquet


def read_parquet(file: IO[bytes], size: int, start: int = 0) -> Iterator[Row]:
    """A row for each row of the table; `line` is its number. Values become what JSON can hold."""
    parquet = open_parquet(file, size)
    number = 0
    total = 0
    for group in range(parquet.metadata.num_row_groups):
        count = parquet.metadata.row_group(group).num_rows
        if number + count <= start:
            number += count
            continue
        try:
            for batch in parquet.iter_batches(BATCH, row_groups=[group]):
                total += batch.nbytes
                if total > LIMITS.unpacked:
                    raise FormatError(f"The file unpacks to more than {LIMITS.unpacked >> 30} GB: split it.")
                for index in range(batch.num_rows):
                    number += 1
                    if number > start:
                        yield _row(number, batch, index)
        except (pa.ArrowException, OSError) as error:
            text = f"The file is damaged after row {number:,} ({_first_line(error)})."
            yield bad_row(number + 1, "damaged", f"{text} The rows from here on are lost: write the file again.")
            return


def _row(number: int, batch: pa.RecordBatch, index: int) -> Row:
    where = f"row {number}"
    if batch.nbytes > LIMITS.row and batch.slice(index, 1).get_total_buffer_size() > LIMITS.row * BATCH:
        return bad_row(number, "row-too-long", f"The row is longer than {LIMITS.row >> 20} MB: split it.", "", where)
    try:
        data = {name: plain(batch.column(place)[index].as_py()) for place, name in enumerate(batch.schema.names)}
    except (ValueError, pa.ArrowException, UnicodeDecodeError) as error:
        return bad_row(number, "value", f"{_first_line(error)}.", "", where)
    if holds_nul(data):
        return bad_row(
            number, "nul", "The row holds a NUL character: remove it.", json.dumps(data, ensure_ascii=False), where
        )
    return Row(number, data)


def plain(value: Any, depth: int = 0) -> Any:
    """The value as JSON can hold it: times in ISO form, decimals as text, NaN as null. Raises ValueError for bytes."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth > LIMITS.depth:
        raise ValueError(f"The row is nested deeper than {LIMITS.depth} levels: flatten it")
    if isinstance(value, dict):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | uuid.UUID | datetime.timedelta):
        return str(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ValueError("A cell holds bytes which are no text: leave that column out of the file") from None
    raise ValueError(f"A cell holds a {type(value).__name__}, which cannot be read as text or number")


def holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(holds_nul(key) or holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(holds_nul(item) for item in value)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:160].rstrip(".")
