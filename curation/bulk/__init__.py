"""Bulk actions: one change over everything that a filter matches, done in batches, undone as one."""

from curation.bulk.beginning import INLINE, begin, begin_undo, role_for, why_no_undo
from curation.bulk.edits import CONTENT
from curation.bulk.outcomes import outcome
from curation.bulk.previews import Preview, preview
from curation.bulk.running import run

__all__ = [
    "CONTENT",
    "INLINE",
    "Preview",
    "begin",
    "begin_undo",
    "outcome",
    "preview",
    "role_for",
    "run",
    "why_no_undo",
]
