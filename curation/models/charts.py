"""Selections of records: what a lasso on the map has caught."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from curation.models.datasets import Dataset
from curation.models.records import Record


class Selection(models.Model):
    """A selection of records by hand, as with a lasso on the map: a filter like any other, in the URL by its id."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="selections")
    name = models.CharField(max_length=120, blank=True)
    size = models.PositiveIntegerField(default=0)  # 0 until all of it is written
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    idempotency_key = models.CharField(max_length=80, null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "idempotency_key"], name="selection_idempotent")]

    def __str__(self) -> str:
        return self.name or f"{self.size} chosen records"


class SelectedRecord(models.Model):
    """A record of a selection."""

    selection = models.ForeignKey(Selection, on_delete=models.CASCADE, related_name="entries", db_index=False)
    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="+")

    class Meta:
        db_table = "curation_selected"
        constraints = [models.UniqueConstraint(fields=["selection", "record"], name="selected_once")]

    def __str__(self) -> str:
        return f"record {self.record_id} in selection {self.selection_id}"
