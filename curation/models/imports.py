"""The models of imports and of the rows they refused."""

from django.db import models

from atelier.jobs.models import Job
from curation.models.datasets import Dataset


class Import(Job):
    """A file that is imported into a dataset. A draft until the mapping is confirmed."""

    task = "curation.tasks.import_file"
    route = "curation:import"
    fetched_with = ("dataset", "created_by")

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="imports")
    file = models.CharField(max_length=200, blank=True)  # storage name, made by us
    original_name = models.CharField(max_length=300)  # as the sender called it: shown, never a path
    size = models.BigIntegerField(default=0)
    url = models.CharField(max_length=2000, blank=True)
    origin = models.JSONField(default=dict)  # of what is no upload: {"kind": "folder", "s3", "hub" or "paste", …}
    source = models.JSONField(default=dict)  # what sniffing found: format, encoding, columns
    mapping = models.JSONField(default=dict)
    confirmed = models.BooleanField(default=False)  # a person, or the caller, has said that the mapping is right
    skip_duplicates = models.BooleanField(default=True)
    update_by_key = models.BooleanField(
        default=False
    )  # a row with the key of a record changes it instead of adding one
    mark_accepted_by = models.CharField(max_length=120, blank=True)  # "the sample": records arrive reviewed
    ok = models.BigIntegerField(default=0)
    updated = models.BigIntegerField(default=0)  # of those ok: records that were there and were changed
    failed = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)
    spans_moved = models.BigIntegerField(default=0)  # marks on texts that it changed, which went along with their words
    spans_aside = models.BigIntegerField(default=0)  # marks that lost their words

    class Meta(Job.Meta):
        abstract = False

    @property
    def title(self) -> str:
        return f"Import {self.original_name}"


# Why a row was skipped. An erasure finds the copies of an erased record by these sentences.
SAME_CONTENT = "Skipped: same content as {}."
UNCHANGED = "Record {} already has this content."
NOTHING_NEW = "Record {} was already imported with all of this."
WHOLE_FILE = "file"  # the code of an issue that is a file of several, and no row of it


class ImportIssue(models.Model):
    """A row that did not become a record, or not whole, and why. With the records, it makes the import's ledger complete."""

    class Outcome(models.TextChoices):
        FAILED = "failed"
        SKIPPED = "skipped"
        PARTLY = "partly"  # it became a record; what is in `raw` has no place here

    parent = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="issues")
    line = models.PositiveBigIntegerField()
    outcome = models.CharField(max_length=7, choices=Outcome.choices)
    code = models.CharField(max_length=40)
    message = models.CharField(max_length=500)
    raw = models.TextField(blank=True)  # the row as it came; of a very long one the start
    file = models.CharField(max_length=300, blank=True)  # within an archive or a folder: shown, never a path
    record = models.ForeignKey("curation.Record", on_delete=models.SET_NULL, null=True, related_name="+")  # once fixed

    class Meta:
        ordering = ["line"]
        constraints = [models.UniqueConstraint(fields=["parent", "line"], name="one_issue_a_line")]

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"

    @property
    def can_be_fixed(self) -> bool:
        """Return whether a person may write the row again: not if no row was read, as from a picture in a zip."""
        return self.outcome == self.Outcome.FAILED and not self.record_id and self.code != WHOLE_FILE
