"""The models of the data side: datasets and their records, imports, distillations, versions."""

from curation.models.annotation import (
    AgreementReport,
    Annotation,
    Assignment,
    Comment,
    Mention,
    Question,
    Queue,
    SpanTrail,
    Suggestion,
    Task,
)
from curation.models.bulk import BulkAction, BulkFailure
from curation.models.changes import Change
from curation.models.charts import SelectedRecord, Selection
from curation.models.datasets import Dataset, Deletion
from curation.models.distillations import Distillation, Generation
from curation.models.erasures import ErasedFile, ErasedRecord, Erasure
from curation.models.exports import Export
from curation.models.imports import Import, ImportIssue
from curation.models.quality import Check, NearDuplicate
from curation.models.records import Record
from curation.models.search import Mark, SavedFilter, Tally
from curation.models.versions import Version, VersionEntry

__all__ = [
    "AgreementReport",
    "Annotation",
    "Assignment",
    "BulkAction",
    "BulkFailure",
    "Change",
    "Check",
    "Comment",
    "Dataset",
    "Deletion",
    "Distillation",
    "ErasedFile",
    "ErasedRecord",
    "Erasure",
    "Export",
    "Generation",
    "Import",
    "ImportIssue",
    "Mark",
    "Mention",
    "NearDuplicate",
    "Question",
    "Queue",
    "Record",
    "SavedFilter",
    "SelectedRecord",
    "Selection",
    "SpanTrail",
    "Suggestion",
    "Tally",
    "Task",
    "Version",
    "VersionEntry",
]
