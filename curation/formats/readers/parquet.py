"""The reader of Parquet files, a few rows at a time."""

import datetime
import decimal
import json
import math
import uuid
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from atelier.characters import NUL, storable
from curation.formats.readers.rows import LIMITS, MEGABYTE, FormatError, Note, SourceRow, bad_row, with_nul

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH = 64  # rows decoded at once, at most
BATCH_BYTES = 32 * MEGABYTE  # so large may they become
BUFFER = MEGABYTE  # of a column that is read; without it a whole group of rows is held
LEAST, MOST = -(2**63), 2**64 - 1  # the whole numbers that orjson can write
LARGE = 16 * 1024  # a dictionary's value of this size makes batches smaller


def open_parquet(file: IO[bytes], size: int) -> "pq.ParquetFile":
    """Open a Parquet file. Raises FormatError for a damaged file, or one that unpacks to far more than its size."""
    import pyarrow as pa  # slow to import, and most files have no use for it

    try:
        parquet = _opened(file)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        text = f"This Parquet file cannot be read ({_first_line(error)}). Write it again, or send it as JSON Lines."
        raise FormatError(text) from error
    meta = parquet.metadata
    if meta.num_columns > LIMITS.columns:
        raise FormatError(f"The table has {meta.num_columns:,} columns; at most {LIMITS.columns:,} can be read.")
    unpacked = sum(meta.row_group(index).total_byte_size for index in range(meta.num_row_groups))
    if unpacked > LIMITS.unpacked or (unpacked > LIMITS.ratio_from and unpacked > LIMITS.ratio * max(size, 1)):
        raise FormatError(f"The file would unpack to {unpacked >> 20:,} MB, far more than expected, so it is refused.")
    return parquet


def _opened(file: IO[bytes], **more: Any) -> "pq.ParquetFile":
    import pyarrow.parquet as pq

    limits = {"thrift_string_size_limit": 100 << 20, "thrift_container_size_limit": 1 << 20}
    return pq.ParquetFile(file, pre_buffer=False, buffer_size=BUFFER, **limits, **more)


def read_parquet(file: IO[bytes], size: int, start: int = 0) -> Iterator[SourceRow]:
    """Yield a row for each row of the table; `line` is its number. Values become what JSON can hold."""
    import pyarrow as pa

    parquet = open_parquet(file, size)
    features = _features(parquet.schema_arrow)
    number = 0
    total = 0
    for group in range(parquet.metadata.num_row_groups):
        count = parquet.metadata.row_group(group).num_rows
        if number + count <= start:
            number += count
            continue
        try:
            rows = _at_once(file, parquet, group)
            for batch in parquet.iter_batches(rows, row_groups=[group], use_threads=False):
                total += batch.nbytes
                if total > LIMITS.unpacked:
                    raise FormatError(f"The file unpacks to more than {LIMITS.unpacked >> 30} GB. Split it.")
                for index in range(batch.num_rows):
                    number += 1
                    if number > start:
                        yield _row(number, batch, index, features)
        except MemoryError:
            raise
        except (pa.ArrowException, OSError) as error:
            text = f"The file is damaged after row {number:,} ({_first_line(error)})."
            yield bad_row(number + 1, "damaged", f"{text} The remaining rows are lost. Write the file again.")
            return


def _at_once(file: IO[bytes], parquet: "pq.ParquetFile", group: int) -> int:
    """Return how many rows of a group are decoded at once.

    A text that a column's dictionary has once takes its full size in every row that names it, so the unpacked size of a
    group means nothing: the longest value of each dictionary does, times the values that a row has on average.
    """
    meta = parquet.metadata.row_group(group)
    grown = 0.0
    for place in range(meta.num_columns):
        column = meta.column(place)
        if column.physical_type != "BYTE_ARRAY" or not meta.num_rows:
            continue
        if column.has_dictionary_page:
            longest = _longest_value(file, parquet, group, column.path_in_schema)
        else:  # prefixes may be shared from value to value
            longest = column.total_uncompressed_size if "DELTA_BYTE_ARRAY" in column.encodings else 0
        if longest > LARGE:
            grown += longest * max(1.0, column.num_values / meta.num_rows)
    return max(1, min(BATCH, int(BATCH_BYTES / grown))) if grown else BATCH


def _longest_value(file: IO[bytes], parquet: "pq.ParquetFile", group: int, path: str) -> int:
    """Return the bytes of the longest value in a column's dictionary, which is read as stored and not expanded."""
    import pyarrow.compute as pc

    column = _opened(file, read_dictionary=[path], metadata=parquet.metadata)
    first = next(column.iter_batches(1, row_groups=[group], columns=[path], use_threads=False), None)
    if first is None or not first.num_columns:
        return 0
    values = first.column(0)
    while hasattr(values, "flatten") and not hasattr(values, "dictionary"):
        # A list has one inner array, a struct one for each of the columns asked for, which is one.
        inner = values.flatten()
        values = inner[0] if isinstance(inner, list) else inner
    if not hasattr(values, "dictionary"):
        return 0
    return int(pc.max(pc.binary_length(values.dictionary)).as_py() or 0)


def _features(schema: "pa.Schema") -> dict[str, Any]:
    """Return what the datasets library noted of the columns; nothing if it wrote none of it."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _row(number: int, batch: "pa.RecordBatch", index: int, features: dict[str, Any]) -> SourceRow:
    where = f"row {number}"
    if batch.nbytes > LIMITS.row and batch.slice(index, 1).nbytes > LIMITS.row:
        return bad_row(number, "row-too-long", f"The row is longer than {LIMITS.row >> 20} MB. Split it.", "", where)
    cells = _Cells()
    data: dict[str, Any] = {}
    for place, name in enumerate(batch.schema.names):
        value = cells.value(batch.column(place)[index], name, features.get(name))
        if value is not LEFT_OUT:
            data[name] = value
    if not data and cells.notes:
        return bad_row(number, "value", " ".join(note.text for note in cells.notes), "", where)
    if holds_nul(data):
        return with_nul(number, json.dumps(data, ensure_ascii=False), where)
    return SourceRow(number, data, notes=tuple(cells.notes))


LEFT_OUT: Any = object()
NOT_TEXT = "bytes that aren't text"


class _Cells:
    """The cells of one row as values for JSON, and notes on what was left out of them."""

    def __init__(self) -> None:
        self.notes: dict[Note, None] = {}

    def value(self, cell: "pa.Scalar", path: str, feature: Any, depth: int = 0) -> Any:
        """Return what JSON can hold of a cell, or LEFT_OUT.

        A null key of a struct is none of the row: Arrow gives every row the keys of all. Maps become objects, and codes
        of the datasets library's class labels their names.
        """
        import pyarrow as pa

        kind = cell.type
        if feature is None and kind in (pa.string(), pa.large_string(), pa.int64(), pa.bool_()) and cell.is_valid:
            return self._plain(cell, path, None)  # what most cells are
        if isinstance(cell, pa.ExtensionScalar):
            return self.value(cell.value, path, feature, depth) if cell.is_valid else None
        if not cell.is_valid:
            return None
        if depth > LIMITS.depth:
            return self._left_out(path, f"more than {LIMITS.depth} levels")
        if pa.types.is_struct(kind):
            return self._struct(cell, path, feature, depth)
        if pa.types.is_map(kind):
            return self._map(cell, path, depth)
        if pa.types.is_nested(kind) and hasattr(cell, "values"):
            inner = _inner(feature)
            found = [self.value(item, path, inner, depth + 1) for item in cell.values or ()]
            return [item for item in found if item is not LEFT_OUT]
        return self._plain(cell, path, feature)

    def _plain(self, cell: "pa.Scalar", path: str, feature: Any) -> Any:
        import pyarrow as pa

        kind = cell.type
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and pa.types.is_integer(kind):
            return _label(cell.as_py(), feature.get("names"))
        try:
            return plain(cell.as_py())
        except (ValueError, OverflowError, pa.ArrowException) as error:
            if pa.types.is_temporal(kind):
                try:
                    return str(cell.cast(pa.string()).as_py()).replace(" ", "T", 1)
                except pa.ArrowException:
                    return self._left_out(path, f"a time that cannot be written ({_first_line(error)})")
            return self._left_out(path, NOT_TEXT if _is_bytes(kind) or pa.types.is_string(kind) else _first_line(error))

    def _struct(self, cell: "pa.Scalar", path: str, feature: Any, depth: int) -> dict[str, Any]:
        inner = feature if isinstance(feature, dict) else {}
        if inner.get("_type") in ("Sequence", "List", "LargeList"):  # a list of objects, stored as an object of lists
            inner = (
                {name: [one] for name, one in found.items()} if isinstance(found := inner.get("feature"), dict) else {}
            )
        data: dict[str, Any] = {}
        for place, field in enumerate(cell.type):
            value = self.value(cell[place], f"{path}.{field.name}", inner.get(field.name), depth + 1)
            if value is not None and value is not LEFT_OUT:
                data[field.name] = value
        return data

    def _map(self, cell: "pa.Scalar", path: str, depth: int) -> Any:
        """Return the pairs as an object; as a list of pairs if a key stands twice."""
        values = [(str(pair[0].as_py()), self.value(pair[1], path, None, depth + 1)) for pair in cell.values or ()]
        pairs = [(key, value) for key, value in values if value is not LEFT_OUT]
        found = dict(pairs)
        return found if len(found) == len(pairs) else [list(pair) for pair in pairs]

    def _left_out(self, path: str, what: str) -> Any:
        self.notes[Note("cell-left-out", f"“{storable(path[:200])}” holds {what}; such cells were left out.")] = None
        return LEFT_OUT


def _is_bytes(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _inner(feature: Any) -> Any:
    """Return what is noted of the items of a list."""
    if isinstance(feature, list):
        return feature[0] if feature else None
    if isinstance(feature, dict) and feature.get("_type") in ("Sequence", "List", "LargeList"):
        return feature.get("feature")
    return None


def _label(code: int, names: Any) -> Any:
    """Return the name of a class; null for -1, which says that there is none, and the code if it has no name."""
    if code == -1:
        return None
    return names[code] if isinstance(names, list) and 0 <= code < len(names) else code


def plain(value: Any, depth: int = 0) -> Any:
    """Convert a value to what JSON can hold: times in ISO form, decimals and whole numbers beyond 64 bits as text, NaN as null.

    Raises ValueError for bytes.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if LEAST <= value <= MOST else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth > LIMITS.depth:
        raise ValueError(f"The row is nested deeper than {LIMITS.depth} levels. Flatten it")
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
            raise ValueError("A cell holds bytes that aren't text. Leave that column out of the file") from None
    raise ValueError(f"A cell holds a {type(value).__name__}, which cannot be read as text or number")


def without_null_keys(value: Any) -> Any:
    """Copy a value without the keys that are null: Arrow gives every object of a column the keys of all."""
    if isinstance(value, dict):
        return {key: without_null_keys(item) for key, item in value.items() if item is not None}
    return [without_null_keys(item) for item in value] if isinstance(value, list) else value


def holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return NUL in value
    if isinstance(value, dict):
        return any(holds_nul(key) or holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(holds_nul(item) for item in value)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:160].rstrip(".")
