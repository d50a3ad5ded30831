"""Records: the rows of a dataset."""

from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from curation.models.datasets import Dataset

PRESENT = models.Q(deleted_at__isnull=True)


class RecordQuerySet(models.QuerySet["Record"]):
    def present(self) -> Self:
        """Return the records that are not deleted."""
        return self.filter(deleted_at=None)


class Record(models.Model):
    """A row of a dataset. `revision` rises with every change, so that two editors cannot overwrite each other."""

    class Status(models.TextChoices):
        NEW = "new", "To review"
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Rejected"
        SKIPPED = "skipped", "Skipped"

    # No index of its own: every index below begins with it.
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="records", db_index=False)
    fields = models.JSONField(default=dict)  # source columns
    messages = models.JSONField(default=list)  # the conversation; empty for plain documents
    tools = models.JSONField(default=list)
    chosen = models.JSONField(default=list)  # preferences only: the messages of the better answer
    rejected = models.JSONField(default=list)
    metadata = models.JSONField(default=dict)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.NEW)
    reviewed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    reviewed_note = models.CharField(max_length=120, blank=True)  # who reviewed when it was no person: "the sample"
    content_hash = models.CharField(max_length=64)
    source_group = models.CharField(max_length=64)  # hash; records of one source never part
    split = models.CharField(max_length=10)
    key = models.CharField(max_length=200, blank=True)  # of the source row
    preview = models.CharField(max_length=300)  # first words, for tables
    words = models.PositiveIntegerField(default=0)
    labels = models.JSONField(default=list)  # those that stand: strings in alphabetical order
    language = models.CharField(max_length=8, blank=True)  # ISO 639-1; empty until the text checks ran
    tokens = models.PositiveIntegerField(null=True)  # of the student's tokenizer; None until the text checks ran
    answer_tokens = models.PositiveIntegerField(null=True)  # of `tokens`: what the assistant says; None for preferences
    counted_by = models.IntegerField(null=True)  # which tokenizer counted: `curation.tokens.counting.Counter.mark`
    is_checked = models.BooleanField(default=False)  # the text checks have seen this content
    cluster = models.BigIntegerField(null=True)  # of near-duplicates: the smallest id in it
    map_x = models.FloatField(null=True)  # place on the map, both from 0 to 1
    map_y = models.FloatField(null=True)
    problems = models.JSONField(default=list)  # [{"code", "message", "where", "fixable"}]
    problem_count = models.PositiveSmallIntegerField(default=0)
    revision = models.PositiveIntegerField(default=1)
    imported_by = models.ForeignKey(
        "curation.Import", on_delete=models.SET_NULL, null=True, related_name="records", db_index=False
    )
    import_line = models.PositiveBigIntegerField(null=True)
    source = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="derived")
    origin = models.CharField(max_length=200, blank=True)  # where it came from, in words
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True)

    objects = RecordQuerySet.as_manager()

    class Meta:
        # Lists are of present records, so their indexes hold no others. (As a column, `deleted_at` would end the order for
        # PostgreSQL, which sorts a million rows rather than walk an index behind IS NULL.)
        indexes = [
            # Both have the other's column behind: the two together are counted without a look at a record.
            models.Index(fields=["dataset", "status", "id", "split"], name="listed_by_status", condition=PRESENT),
            models.Index(fields=["dataset", "split", "id", "status"], name="listed_by_split", condition=PRESENT),
            # With all that a list counts and sorts by: a record itself stands behind its long texts.
            models.Index(
                fields=[
                    "dataset",
                    "id",
                    "status",
                    "split",
                    "language",
                    "words",
                    "changed_at",
                    "reviewed_by",
                    "imported_by",
                    "problem_count",
                ],
                name="listed_by_id",
                condition=PRESENT,
            ),
            models.Index(fields=["dataset", "language", "id"], name="listed_by_language", condition=PRESENT),
            models.Index(
                fields=["dataset", "tokens", "id"],
                name="listed_by_tokens",
                condition=PRESENT & models.Q(tokens__isnull=False),
            ),
            models.Index(
                fields=["dataset", "reviewed_by", "id"],
                name="listed_by_reviewer",
                condition=PRESENT & models.Q(reviewed_by__isnull=False),
            ),
            models.Index(fields=["dataset", "changed_at", "id"], name="listed_by_change", condition=PRESENT),
            models.Index(fields=["dataset", "words", "id"], name="listed_by_words", condition=PRESENT),
            models.Index(
                fields=["dataset", "id"],
                name="listed_with_problems",
                condition=PRESENT & models.Q(problem_count__gt=0),
            ),
            models.Index(fields=["dataset", "id"], name="record_deleted", condition=~PRESENT),
            models.Index(fields=["dataset", "content_hash"], name="record_by_content"),
            models.Index(fields=["dataset", "id"], name="record_unchecked", condition=models.Q(is_checked=False)),
            models.Index(
                fields=["dataset", "cluster", "id"], name="record_by_cluster", condition=models.Q(cluster__isnull=False)
            ),
            # All that the map draws: a record itself stands behind its long texts.
            models.Index(
                fields=["dataset", "deleted_at", "id", "map_x", "map_y", "status", "split", "language", "cluster"],
                name="record_on_map",
                condition=models.Q(map_x__isnull=False),
            ),
            models.Index(fields=["dataset", "key"], name="record_by_key", condition=~models.Q(key="")),
        ]
        constraints = [
            # A doubled or resumed import cannot add a line twice, whatever happens to its process.
            models.UniqueConstraint(fields=["imported_by", "import_line"], name="one_record_an_imported_line")
        ]

    def __str__(self) -> str:
        return self.preview or f"record {self.pk}"
