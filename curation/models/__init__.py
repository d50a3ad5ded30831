"""The data side: datasets and their records, imports, distillations, versions."""

from curation.models.agreement import AgreementReport
from curation.models.annotation import (
    Annotation,
    Assignment,
    Comment,
    Mention,
    Question,
    Queue,
    Suggestion,
    Task,
)
from curation.models.checking import Check, NearDuplicate
from curation.models.datasets import BulkAction, BulkFailure, Change, Dataset, Deletion, Record
from curation.models.distillations import Distillation, Generation
from curation.models.exports import Export
from curation.models.facets import Mark, SavedFilter, Selected, Selection, Tally
from curation.models.imports import Import, ImportIssue
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
    "Selected",
    "Selection",
    "Suggestion",
    "Tally",
    "Task",
    "Version",
    "VersionEntry",
]
