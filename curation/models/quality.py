"""The models of dataset checks, as jobs on what changed since the last one: texts, near-duplicates, the map."""

from django.db import models

from atelier.jobs.models import Job
from curation.models.datasets import Dataset
from curation.models.records import Record


class Check(Job):
    """A check of a dataset. New and changed texts are checked; the other parts read everything."""

    task = "curation.tasks.check"
    route = "curation:check"
    unit = "records"
    icon = "review"
    fetched_with = ("dataset", "created_by")

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
    def resumes_cheaply(self) -> bool:
        """Return whether a resumed check continues where it was: texts do; the other parts need everything at once."""
        return self.part == Check.Part.TEXTS

    @property
    def title(self) -> str:
        return f"{self.get_part_display()} of {self.dataset.name}"


class NearDuplicate(models.Model):
    """A pair of near-duplicates: two records whose texts are nearly the same, the smaller id first."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="near_duplicates", db_index=False)
    first = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="+")
    similarity = models.FloatField()  # Jaccard of word shingles, 0 to 1
    crosses = models.BooleanField(default=False)  # they stand in different splits

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "first", "second"], name="one_pair_of_duplicates")]
        indexes = [
            models.Index(fields=["dataset", "id"], name="near_duplicates_crossing", condition=models.Q(crosses=True)),
            # Pages of pairs are by id. By the constraint's index SQLite would sort all pairs for each page.
            models.Index(fields=["dataset", "id"], name="near_duplicates_by_id"),
        ]

    def __str__(self) -> str:
        return f"records {self.first_id} and {self.second_id}: {self.similarity:.2f}"
