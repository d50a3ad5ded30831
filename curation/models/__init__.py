"""The data side: datasets and their records, imports, distillations, versions."""

from curation.models.datasets import BulkAction, Change, Dataset, Record
from curation.models.distillations import Distillation, Generation
from curation.models.imports import Import, ImportIssue
from curation.models.versions import Version, VersionEntry

__all__ = [
    "BulkAction",
    "Change",
    "Dataset",
    "Distillation",
    "Generation",
    "Import",
    "ImportIssue",
    "Record",
    "Version",
    "VersionEntry",
]
