"""The models of versions: frozen, numbered, content-hashed snapshots of a dataset."""

from typing import Any

from django.db import models

from atelier.database.ranges import between
from atelier.jobs.models import Job, Move
from atelier.web.border import BIGGEST_INT
from curation.models.datasets import Dataset, default_shares
from curation.models.records import Record

SPLITS = ["train", "validation", "test"]
FROZEN = "The version is frozen and never changes."


class Version(Job):
    """A snapshot of a dataset with its splits. Once done it never changes; its files are named by their hashes."""

    resumes_cheaply = False
    task = "curation.tasks.freeze"
    route = "curation:version"
    icon = "versions"
    fetched_with = ("dataset", "created_by")
    MOVES = {"cancel": Move("cancel", FROZEN), "resume": Move("enqueue", FROZEN)}

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    notes = models.CharField(max_length=500, blank=True)
    shares = models.JSONField(default=default_shares)
    seed = models.PositiveIntegerField(default=17)
    filters = models.JSONField(default=dict)  # as in the URL of the list; accepted records unless it says otherwise
    grouping = models.JSONField(default=dict)  # what keeps records together: `curation.versions.grouping.Grouping`
    content_hash = models.CharField(max_length=64, blank=True)
    files = models.JSONField(
        default=dict
    )  # split -> {"name", "sha256", "bytes", "rows"[, "erased"]}: lines, and those erased
    rows = models.PositiveIntegerField(default=0)
    words = models.PositiveBigIntegerField(default=0)
    tokens = models.JSONField(default=dict)  # split -> {"prompt", "answer", "longest", "tokenizer"}
    problems = models.JSONField(default=list)  # [{"code", "message", "count", "records": [...]}]
    allow_leaks = models.BooleanField(default=False)  # freeze although near-duplicates stand in different splits
    card = models.TextField(blank=True)  # the data card, Markdown, written when it is frozen
    figures = models.JSONField(default=dict)  # counts by label, source, language and status, for the card and diffs
    archived_at = models.DateTimeField(null=True)  # hidden from lists and choices, and not to be used
    freed_at = models.DateTimeField(
        null=True
    )  # its files were removed from the disk; `files` still says what they were

    class Meta(Job.Meta):
        abstract = False
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(fields=["dataset", "number"], name="version_number_unique_in_dataset"),
            between("seed", 0, BIGGEST_INT),
        ]

    def __str__(self) -> str:
        return f"{self.dataset.name} v{self.number}"

    @property
    def title(self) -> str:
        return f"Freeze {self.dataset.name} v{self.number}"

    def worded(self, sentence: str, move: str) -> str:
        if move == "resume" and self.archived_at is not None:
            return f"{self} is archived. Restore it from the archive first."
        return super().worded(sentence, move)

    def enqueue(self) -> bool:
        """Queue a failed or cancelled freeze again. Returns False for any other, and for an archived one."""
        if Version.objects.filter(pk=self.pk).exclude(archived_at=None).exists():
            return False
        return super().enqueue()

    def counts(self) -> dict[str, int]:
        """Return the rows in each split, empty splits as 0. Erased rows do not count."""
        files = [(split, self.files.get(split, {})) for split in SPLITS]
        return {split: file.get("rows", 0) - file.get("erased", 0) for split, file in files}

    @property
    def erased(self) -> int:
        """Return how many rows of its files were erased since it was frozen."""
        return sum(file.get("erased", 0) for file in self.files.values())

    def file(self, split: str) -> dict[str, Any]:
        """Return name, hash, bytes and lines (`rows`) of one split's file. Raises KeyError for an unknown split."""
        return dict(self.files[split])


class VersionEntry(models.Model):
    """The lineage of a version: which record, at which revision, is in which split of it."""

    # No index of its own: the constraint below begins with it.
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="entries", db_index=False)
    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="version_entries")
    revision = models.PositiveIntegerField()
    split = models.CharField(max_length=10)
    row = models.PositiveIntegerField(default=0)  # line in the split's file, from 1
    digest = models.BigIntegerField(null=True)  # 64 bits of the line's hash: two versions are compared by it
    begins = models.BigIntegerField(null=True)  # where the line begins in the file, in bytes
    erased_at = models.DateTimeField(null=True)  # a tombstone has been in the row's place since

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "record"], name="one_entry_a_record")]

    def __str__(self) -> str:
        return f"record {self.record_id} in {self.split} of version {self.version_id}"
