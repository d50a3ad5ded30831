"""Datasets, and how one ends."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from atelier.accounts.models import Project
from atelier.database.ranges import between
from atelier.jobs.models import RESUME, Job
from atelier.web.border import BIGGEST_INT


def default_shares() -> dict[str, float]:
    return {"train": 0.8, "validation": 0.1, "test": 0.1}


class DatasetManager(models.Manager["Dataset"]):
    """The datasets that nobody deleted."""

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
            between("seed", 0, BIGGEST_INT),
        ]

    def __str__(self) -> str:
        return self.name


class Deletion(Job):
    """The deletion of a dataset, which is already hidden. It cannot be cancelled, for what is deleted cannot be restored."""

    task = "curation.tasks.delete_dataset"
    route = "curation:deletion"
    unit = "records"
    MOVES = {"resume": RESUME}

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
