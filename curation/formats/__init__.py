"""File formats, in and out: sniff, read, map, write. Streaming; a bad row is a row with a problem, never an exception."""

from curation.content import Draft, content_hash, source_group
from curation.formats.mapping import Mapping, MappingError
from curation.formats.readers.rows import LIMITS, FormatError, ReadLimits, RowError, Source, SourceRow
from curation.formats.readers.sources import read, read_as, sniff
from curation.formats.suggestions import suggest, with_new
from curation.formats.writers.base import WRITERS, UnsupportedDraft, Writer, chat_row

from curation.formats.writers import training_formats, tables  # isort: skip - they register their formats

__all__ = [
    "LIMITS",
    "WRITERS",
    "Draft",
    "FormatError",
    "Mapping",
    "MappingError",
    "ReadLimits",
    "RowError",
    "Source",
    "SourceRow",
    "UnsupportedDraft",
    "Writer",
    "chat_row",
    "content_hash",
    "read",
    "read_as",
    "sniff",
    "source_group",
    "suggest",
    "tables",
    "training_formats",
    "with_new",
]
