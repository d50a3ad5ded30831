"""What lists are narrowed by: marks of records, kept counts and saved filters.

The database keeps marks and tallies right, whoever writes a record: its triggers write both (`curation.search.facets`).
"""

from django.conf import settings
from django.db import models
from django.utils import timezone

from curation.models.datasets import Dataset
from curation.models.records import Record


class Mark(models.Model):
    """A value of a record's lists, for filters: a current label, or the code of a problem."""

    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="marks")
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=7)  # label, problem
    value = models.CharField(max_length=200)

    class Meta:
        indexes = [models.Index(fields=["dataset", "kind", "value", "record"], name="mark_by_value")]

    def __str__(self) -> str:
        return f"{self.kind} {self.value} of record {self.record_id}"


class Tally(models.Model):
    """The number of present records of a dataset that have a value.

    Kept in slots, so that writers do not wait for each other; the count is the sum over the slots.
    """

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="tallies", db_index=False)
    facet = models.CharField(max_length=12)
    value = models.CharField(max_length=200)
    slot = models.PositiveSmallIntegerField(default=0)
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dataset", "facet", "value", "slot"], name="one_tally_a_value_and_slot")
        ]

    def __str__(self) -> str:
        return f"{self.facet} {self.value}: {self.count}"


class SavedFilter(models.Model):
    """A filter that the team gave a name."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="saved_filters")
    name = models.CharField(max_length=80)
    filters = models.JSONField(default=dict)  # as in the URL of the list
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    idempotency_key = models.CharField(max_length=80, null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dataset", "name"], name="saved_filter_name_unique"),
            models.UniqueConstraint(fields=["dataset", "idempotency_key"], name="saved_filter_idempotent"),
        ]

    def __str__(self) -> str:
        return self.name
