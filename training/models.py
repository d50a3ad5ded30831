"""Base models on disk, runs, and the adapters that runs leave."""

from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils import timezone

from atelier.accounts.models import Project
from atelier.jobs.models import Job
from curation.models import Version
from training import catalogue


class Base(models.Model):
    """A catalogued base model that lies on this installation's disk. Weights are shared by all teams."""

    slug = models.CharField(max_length=80, unique=True)  # the catalogue's name; also its folder under models/
    revision = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64, blank=True)  # of the manifest of all its files
    bytes = models.BigIntegerField(default=0)
    added_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.slug

    @property
    def folder(self) -> Path:
        return Path(settings.MODELS_DIR) / self.slug


class Pull(Job):
    """Bringing a catalogued base model onto this machine."""

    task = "training.tasks.pull"
    queue = "default"
    unit = "MB"
    route = "training:pull"
    icon = "models"

    slug = models.CharField(max_length=80)
    revision = models.CharField(max_length=64, blank=True)

    class Meta(Job.Meta):
        abstract = False

    @property
    def title(self) -> str:
        return f"Fetch {self.slug}"


class Run(Job):
    """One training of one recipe on one version."""

    task = "training.tasks.train"
    queue = "training"
    unit = "steps"
    route = "training:run"
    icon = "train"

    version = models.ForeignKey(Version, on_delete=models.RESTRICT, related_name="runs")
    number = models.PositiveIntegerField()  # within the project
    name = models.CharField(max_length=120, blank=True)
    base = models.CharField(max_length=80)  # slug in the catalogue
    recipe = models.JSONField(default=dict)
    facts = models.JSONField(default=dict)  # meta.json of the trainer: versions, hashes, device
    summary = models.JSONField(default=dict)  # last loss, tokens a second, memory, phase: what pages show
    stop_wanted = models.BooleanField(default=False)  # stop now and keep the adapter

    class Meta(Job.Meta):
        abstract = False
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(fields=["project", "number"], name="run_number_unique_in_project"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        return f"Run {self.number}" + (f": {self.name}" if self.name else "")

    @property
    def base_title(self) -> str:
        """The catalogue's name of the base; its slug when the catalogue has dropped it."""
        base = catalogue.load().get(self.base)
        return base.title if base else self.base

    @property
    def folder(self) -> Path:
        return Path(settings.RUNS_DIR) / str(self.pk)

    @property
    def time_left(self) -> float | None:
        """Seconds by the trainer's own account: after a resumption the job's clock would mislead."""
        return self.summary.get("seconds_left") if self.status == Job.Status.RUNNING else None

    @property
    def rate(self) -> float | None:
        """Steps a second, lately."""
        seconds = self.summary.get("step_seconds")
        return 1 / seconds if seconds and self.status == Job.Status.RUNNING else None


class Adapter(models.Model):
    """The LoRA weights that a run left, ready to serve."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="adapters")
    run = models.OneToOneField(Run, on_delete=models.RESTRICT, related_name="adapter")
    name = models.CharField(max_length=120)
    base = models.CharField(max_length=80)
    folder = models.CharField(max_length=200)  # relative to the data folder
    digest = models.CharField(max_length=64)
    rank = models.PositiveSmallIntegerField()
    system_prompt = models.TextField(blank=True)  # what it was trained with
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="adapter_name_unique_in_project")]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        return Path(settings.DATA_DIR) / self.folder

    @property
    def served_name(self) -> str:
        """What vLLM calls it: unique over all projects and runs, for a path is never loaded twice under one name."""
        return f"adapter-{self.pk}"
