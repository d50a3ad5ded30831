"""Bulk actions over the records of a dataset, and what they could not change."""

from django.db import models

from atelier.jobs.models import CANCEL, RESUME, Job
from curation.models.datasets import Dataset
from curation.models.records import Record


class BulkAction(Job):
    """A bulk action on everything that a filter matched; it can be undone as one."""

    task = "curation.tasks.bulk"
    route = "curation:bulk"
    unit = "records"
    icon = "review"
    noun = "action"
    fetched_with = ("dataset", "undoes__dataset", "created_by")
    MOVES = {"cancel": CANCEL, "resume": RESUME}

    class Action(models.TextChoices):
        ACCEPT = "accept", "Accept"
        REJECT = "reject", "Reject"
        SKIP = "skip", "Skip"
        REOPEN = "reopen", "Return to “To review”"
        DELETE = "delete", "Delete"
        UNDO = "undo", "Undo"
        SPLIT = "split", "Reassign the splits of"
        LABEL = "label", "Label"
        UNLABEL = "unlabel", "Remove a label from"
        ASSIGN = "assign", "Assign"
        REPLACE = "replace", "Find and replace in"
        MASK = "mask", "Mask personal data in"
        FIX = "fix", "Fix"
        COPY = "copy", "Copy"
        KEY = "key", "Change a key of"

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="bulk_actions")
    action = models.CharField(max_length=10, choices=Action.choices)
    filters = models.JSONField(default=dict)  # as in the URL of the list; or {"ids": [...]}
    options = models.JSONField(default=dict)  # what the action needs: a label, what to find and what to put there
    up_to = models.BigIntegerField(default=0)  # records that came later than the click are not meant
    cursor = models.BigIntegerField(default=0)  # the last record done: where a resumed job goes on
    undoes = models.OneToOneField("self", on_delete=models.CASCADE, null=True, related_name="undone_by")
    changed = models.BigIntegerField(default=0)  # of those done; the others were so already
    left = models.BigIntegerField(default=0)  # by an undo: changed since by somebody; else failed: see `failures`

    spans_moved = models.BigIntegerField(default=0)  # marks that went along with their words
    spans_aside = models.BigIntegerField(default=0)  # marks that lost their words

    class Meta(Job.Meta):
        abstract = False

    @property
    def title(self) -> str:
        if self.action == self.Action.UNDO and self.undoes is not None:
            return f"Undo: {self.undoes.title}"
        how_many = f"{self.total:,} record{'' if self.total == 1 else 's'}" if self.total else "records"
        if self.action == self.Action.REOPEN:
            return f"Return {how_many} of {self.dataset.name} to “To review”"
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
