"""Datasets, their records, and the history of what people changed."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from atelier.accounts.models import Project
from atelier.jobs.models import Job


def default_shares() -> dict[str, float]:
    return {"train": 0.8, "validation": 0.1, "test": 0.1}


class DatasetManager(models.Manager["Dataset"]):
    """Those that nobody deleted."""

    def get_queryset(self) -> models.QuerySet["Dataset"]:
        return super().get_queryset().filter(deleted_at=None)


class Dataset(models.Model):
    """A growing set of records of one kind."""

    class Kind(models.TextChoices):
        DOCUMENTS = "documents", "Documents"
        CONVERSATIONS = "conversations", "Conversations"
        PREFERENCES = "preferences", "Preferences"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=15, choices=Kind.choices, default=Kind.CONVERSATIONS)
    description = models.CharField(max_length=300, blank=True)
    mapping = models.JSONField(default=dict, blank=True)  # of the last import: suggested for the next
    shares = models.JSONField(default=default_shares)  # train, validation, test; they add up to 1
    seed = models.PositiveIntegerField(default=17)
    licence = models.CharField(max_length=120, blank=True)  # for the data card
    labels = models.JSONField(default=list, blank=True)  # the labels that are offered: strings
    idempotency_key = models.CharField(max_length=80, null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True)  # hidden from then on, while a Deletion takes its records away

    objects = DatasetManager()  # also what `project.datasets` gives: one that is being deleted is in no list

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="dataset_name_unique_in_project"),
            models.UniqueConstraint(fields=["project", "idempotency_key"], name="dataset_idempotent"),
        ]

    def __str__(self) -> str:
        return self.name


PRESENT = models.Q(deleted_at__isnull=True)


class RecordQuerySet(models.QuerySet["Record"]):
    def present(self) -> Self:
        """Not deleted."""
        return self.filter(deleted_at=None)


class Record(models.Model):
    """One row of a dataset. `revision` goes up with every change, so that two editors cannot overwrite each other."""

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
    counted_by = models.IntegerField(null=True)  # which tokenizer counted: `curation.tokens.Counter.mark`
    is_checked = models.BooleanField(default=False)  # the text checks have seen this content
    cluster = models.BigIntegerField(null=True)  # of near-duplicates: the smallest id in it
    map_x = models.FloatField(null=True)  # place on the map, both from 0 to 1
    map_y = models.FloatField(null=True)
    problems = models.JSONField(default=list)  # [{"code", "message", "where", "mendable"}]
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


class BulkAction(Job):
    """One action over everything that a filter matched; it can be undone as one."""

    task = "curation.tasks.bulk"
    route = "curation:bulk"
    unit = "records"
    icon = "review"

    class Action(models.TextChoices):
        ACCEPT = "accept", "Accept"
        REJECT = "reject", "Reject"
        SKIP = "skip", "Skip"
        REOPEN = "reopen", "Put back to review"
        DELETE = "delete", "Delete"
        UNDO = "undo", "Undo"
        SPLIT = "split", "Assign the splits of"
        LABEL = "label", "Label"
        UNLABEL = "unlabel", "Take a label from"
        ASSIGN = "assign", "Assign"
        REPLACE = "replace", "Find and replace in"
        MASK = "mask", "Mask personal data in"
        MEND = "mend", "Mend"
        COPY = "copy", "Copy"

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="bulk_actions")
    action = models.CharField(max_length=10, choices=Action.choices)
    filters = models.JSONField(default=dict)  # as in the URL of the list; or {"ids": [...]}
    options = models.JSONField(default=dict)  # what the action needs: a label, what to find and what to put there
    up_to = models.BigIntegerField(default=0)  # records that came later than the click are not meant
    cursor = models.BigIntegerField(default=0)  # the last record done: where a resumed job goes on
    undoes = models.OneToOneField("self", on_delete=models.CASCADE, null=True, related_name="undone_by")
    changed = models.BigIntegerField(default=0)  # of those done; the others were so already
    left = models.BigIntegerField(default=0)  # by an undo: changed since by somebody; else failed: see `failures`

    class Meta(Job.Meta):
        abstract = False

    @property
    def title(self) -> str:
        if self.action == self.Action.UNDO and self.undoes is not None:
            return f"Undo: {self.undoes.title}"
        how_many = f"{self.total:,} record{'' if self.total == 1 else 's'}" if self.total else "records"
        return f"{self.get_action_display()} {how_many} of {self.dataset.name}"


class BulkFailure(models.Model):
    """A record that a bulk action could not change, and why."""

    bulk = models.ForeignKey(BulkAction, on_delete=models.CASCADE, related_name="failures", db_index=False)
    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=300)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bulk", "record"], name="one_failure_a_record")]

    def __str__(self) -> str:
        return f"record {self.record_id}: {self.reason}"


class Deletion(Job):
    """The end of a dataset, which is hidden already. It cannot be cancelled, for what is gone is gone."""

    task = "curation.tasks.delete_dataset"
    route = "curation:deletion"
    unit = "records"

    dataset = models.ForeignKey(Dataset, on_delete=models.SET_NULL, null=True, related_name="deletions")
    name = models.CharField(max_length=120)  # of the dataset, which is called something else until it is gone

    class Meta(Job.Meta):
        abstract = False

    @property
    def title(self) -> str:
        return f"Delete {self.name}"

    def cancel(self) -> bool:
        return False

    def pause(self) -> bool:
        return False


class Change(models.Model):
    """History: who changed what, when, from what to what."""

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
        """(field, before, after) of everything that changed."""
        return [(name, self.before.get(name), self.after.get(name)) for name in {**self.before, **self.after}]
