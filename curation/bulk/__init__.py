"""Bulk actions: one change to everything that a filter matches, run in batches and undone as one."""

from curation.bulk.actions import INLINE, begin, begin_undo, role_for, why_no_undo
from curation.bulk.edits import CONTENT
from curation.bulk.job import run
from curation.bulk.outcomes import outcome
from curation.bulk.previews import BulkPreview, preview

__all__ = [
    "CONTENT",
    "INLINE",
    "BulkPreview",
    "begin",
    "begin_undo",
    "outcome",
    "preview",
    "role_for",
    "run",
    "why_no_undo",
]
