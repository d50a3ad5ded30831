"""The models of erasures: records whose content is erased everywhere, and the ledger of what that changed."""

from django.db import models
from django.utils import timezone

from atelier.jobs.models import RESUME, Job
from curation.models.datasets import Dataset
from curation.models.records import Record
from curation.models.versions import Version


class Erasure(Job):
    """The erasure of records, and of what was made from them, from the dataset and from frozen files. It cannot be undone."""

    task = "curation.tasks.erase"
    route = "curation:erasure"
    unit = "records"
    fetched_with = ("dataset", "created_by")
    MOVES = {"resume": RESUME}

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="erasures")
    roots = models.JSONField(default=list)  # ids of the records that a person chose
    reason = models.CharField(max_length=500)
    actor = models.CharField(max_length=150)  # the name as it was then
    erased = models.JSONField(default=dict)  # what was erased besides the records: thing -> how many
    stays = models.JSONField(default=list)  # [{"kind", "label", "url", "why"}]: what cannot be erased

    class Meta(Job.Meta):
        abstract = False

    @property
    def title(self) -> str:
        return f"Erase {len(self.roots):,} record{'' if len(self.roots) == 1 else 's'} of {self.dataset.name}"

    def cancel(self) -> bool:
        return False

    def pause(self) -> bool:
        return False


class ErasedRecord(models.Model):
    """What is left of an erased record beside its empty row: the hash of its content, and the erasure with its reason."""

    erasure = models.ForeignKey(Erasure, on_delete=models.CASCADE, related_name="records")
    record = models.OneToOneField(Record, on_delete=models.CASCADE, related_name="erased")
    content_hash = models.CharField(max_length=64, db_index=True)  # imports look whether a row was erased
    is_derived = models.BooleanField(default=False)  # made from one that was chosen
    wiped_at = models.DateTimeField(null=True)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"record {self.record_id}"


class ErasedFile(models.Model):
    """A file of a version that was written again without the erased rows: its hash before and after."""

    erasure = models.ForeignKey(Erasure, on_delete=models.CASCADE, related_name="files")
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="erased_files")
    split = models.CharField(max_length=10)
    rows = models.JSONField(default=list)  # [{"row", "record", "id", "sha256"}]: the hash of the line that was there
    sha256_before = models.CharField(max_length=64)
    sha256_after = models.CharField(max_length=64)
    content_hash_before = models.CharField(max_length=64)  # of the version
    content_hash_after = models.CharField(max_length=64)
    former = models.CharField(max_length=200, blank=True)  # storage name of the old file, until it is deleted
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.split} of version {self.version_id}"
