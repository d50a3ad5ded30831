"""The history of records: what people, bulk actions and imports changed."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from curation.models.bulk import BulkAction
from curation.models.datasets import Dataset
from curation.models.records import Record


class Change(models.Model):
    """A change of a record, for its history: who changed what, when, from what to what."""

    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="changes")
    # The record's, told by every writer: what was done in a dataset is listed without a look at its records.
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    actor = models.CharField(max_length=120)  # the name as it was then; or what did it when no person did
    action = models.CharField(max_length=20)
    before = models.JSONField(default=dict)  # only the fields that changed
    after = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=0)  # of the record after this change
    bulk = models.ForeignKey(BulkAction, on_delete=models.SET_NULL, null=True, related_name="changes")
    imported_by = models.ForeignKey(
        "curation.Import", on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            # What bulk actions changed is listed as one line each, so it is not in here.
            models.Index(
                fields=["dataset", "id", "actor", "action"],
                name="change_listed",
                condition=models.Q(bulk__isnull=True),
            ),
            # An import that goes looks for its changes, which are few of all.
            models.Index(fields=["imported_by"], name="change_imported", condition=models.Q(imported_by__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"

    @property
    def fields(self) -> list[tuple[str, Any, Any]]:
        """Return (field, before, after) of everything that changed."""
        return [(name, self.before.get(name), self.after.get(name)) for name in {**self.before, **self.after}]
