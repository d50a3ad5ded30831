"""Files in and out: sniff, read, map, write. Streaming; a bad row is a row with a problem, never an exception."""

from curation.formats.drafts import Draft, content_hash, source_group
from curation.formats.mapping import Mapping, MappingError
from curation.formats.rows import LIMITS, FormatError, Limits, Row, RowError, Source
from curation.formats.sources import read, sniff
from curation.formats.suggesting import suggest
from curation.formats.writers import WRITERS, Writer, chat_row, write_chat, write_training

__all__ = [
    "LIMITS",
    "WRITERS",
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
    "sniff",
    "source_group",
    "suggest",
    "write_chat",
    "write_training",
]
