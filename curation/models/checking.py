"""Checks that take longer than a glance: texts, near-duplicates, the map. Jobs over what changed since the last one."""

from django.db import models

from atelier.jobs.models import Job
from curation.models.datasets import Dataset, Record


class Check(Job):
    """One pass over a dataset. Texts are looked at where they are new or changed; the others read everything."""

    task = "curation.tasks.check"
    route = "curation:check"
    unit = "records"
    icon = "review"

    class Part(models.TextChoices):
        TEXTS = "texts", "Check the texts"
        DUPLICATES = "duplicates", "Find near-duplicates"
        MAP = "map", "Draw the map"

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="checks")
    part = models.CharField(max_length=10, choices=Part.choices)
    options = models.JSONField(default=dict)
    cursor = models.BigIntegerField(default=0)  # the last record looked at: where a resumed job goes on
    found = models.JSONField(default=dict)  # figures of what it found

    class Meta(Job.Meta):
        abstract = False

    @property
    def title(self) -> str:
        return f"{self.get_part_display()} of {self.dataset.name}"


class NearDuplicate(models.Model):
    """Two records whose texts are nearly the same: the smaller id first."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="near_duplicates", db_index=False)
    first = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="+")
    similarity = models.FloatField()  # Jaccard of word shingles, 0 to 1
    crosses = models.BooleanField(default=False)  # they stand in different splits

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "first", "second"], name="one_pair_of_duplicates")]
        indexes = [
            models.Index(
                fields=["dataset", "id"], name="near_duplicates_crossing", condition=models.Q(crosses=True)
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"records {self.first_id} and {self.second_id}: {self.similarity:.2f}"
