"""Files in and out: sniff, read, map, write. Streaming; a bad row is a row with a problem, never an exception."""

from curation.formats.drafts import Draft, content_hash, source_group
from curation.formats.mapping import Mapping, MappingError
from curation.formats.rows import LIMITS, FormatError, Limits, Row, RowError, Source
from curation.formats.sources import read, read_as, sniff
from curation.formats.suggesting import suggest, with_new
from curation.formats.writers import WRITERS, CannotHold, Writer, chat_row

from curation.formats import row_forms, table_writers  # isort: skip - they register their formats

__all__ = [
    "LIMITS",
    "WRITERS",
    "CannotHold",
    "Draft",
    "FormatError",
    "Limits",
    "Mapping",
    "MappingError",
    "Row",
    "RowError",
    "Source",
    "Writer",
    "chat_row",
    "content_hash",
    "read",
    "read_as",
    "row_forms",
    "sniff",
    "source_group",
    "suggest",
    "table_writers",
    "with_new",
]
