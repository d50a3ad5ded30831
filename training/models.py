"""The models of training: bases on disk, pulls, runs, and the adapters of runs."""

from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils import timezone

from atelier.accounts.models import Project
from atelier.jobs.models import Job, Move
from curation.models import Version
from training import catalogue

CANNOT = "{title} is {state}, so it cannot be {moved}."


class Base(models.Model):
    """A catalogued base model that is on this installation's disk. Weights are shared by all teams."""

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
    """A pull: the download of a catalogued base model to this machine."""

    task = "training.tasks.pull"
    queue = "default"
    unit = "MB"
    route = "training:pull"
    icon = "models"
    MOVES = {"cancel": Move("cancel"), "resume": Move("enqueue")}

    slug = models.CharField(max_length=80)
    revision = models.CharField(max_length=64, blank=True)

    class Meta(Job.Meta):
        abstract = False

    @property
    def title(self) -> str:
        return f"Download {self.slug}"


class Run(Job):
    """A run: one training of one recipe on one version."""

    task = "training.tasks.train"
    queue = "training"
    resumes_cheaply = False
    unit = "steps"
    route = "training:run"
    icon = "train"
    fetched_with = ("version__dataset", "created_by")
    cannot = CANNOT
    MOVES = {name: Move(name, CANNOT) for name in ("cancel", "pause", "resume", "stop")}

    version = models.ForeignKey(Version, on_delete=models.RESTRICT, related_name="runs")
    number = models.PositiveIntegerField()  # within the project
    name = models.CharField(max_length=120, blank=True)
    base = models.CharField(max_length=80)  # slug in the catalogue
    recipe = models.JSONField(default=dict)
    facts = models.JSONField(default=dict)  # meta.json of the trainer: versions, hashes, device
    summary = models.JSONField(default=dict)  # last loss, tokens a second, memory, phase: what pages show
    stop_wanted = models.BooleanField(default=False)  # stop now and keep the adapter
    archived_at = models.DateTimeField(null=True)  # hidden from lists, and not to be resumed
    freed = models.JSONField(
        default=list
    )  # [{"part", "at", "by", "bytes", "files": [{"name", "bytes", "sha256"}]}]: files removed

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
        """Return the catalogue's name of the base; its slug when the catalogue has dropped it."""
        base = catalogue.load().get(self.base)
        return base.title if base else self.base

    @property
    def folder(self) -> Path:
        return Path(settings.RUNS_DIR) / str(self.pk)

    @property
    def time_left(self) -> float | None:
        """Return the seconds left by the trainer's own estimate: after a resumption the job's clock would mislead."""
        return self.summary.get("seconds_left") if self.status == Job.Status.RUNNING else None

    @property
    def rate(self) -> float | None:
        """Return the recent steps per second."""
        seconds = self.summary.get("step_seconds")
        return 1 / seconds if seconds and self.status == Job.Status.RUNNING else None

    def worded(self, sentence: str, move: str) -> str:
        if move == "resume" and self.archived_at is not None:
            return f"{self.title} is archived. Restore it from the archive first."
        return super().worded(sentence, move)

    def stop(self) -> bool:
        """Request the end of the training now, its adapter kept. Returns False when it does not run."""
        changed = Run.objects.filter(pk=self.pk, status=Run.Status.RUNNING, cancel_wanted=False).update(
            stop_wanted=True
        )
        self.refresh_from_db()
        return bool(changed)

    def resume(self) -> bool:
        """Queue a paused, failed or cancelled run again: it resumes from its newest complete checkpoint.

        Returns False for any other, and for an archived one.
        """
        if Run.objects.filter(pk=self.pk).exclude(archived_at=None).exists():
            return False
        changed = self.enqueue()
        if changed:
            Run.objects.filter(pk=self.pk).update(stop_wanted=False)
            (self.folder / "stop").unlink(missing_ok=True)
            self.refresh_from_db()
        return changed


class Adapter(models.Model):
    """The LoRA weights of a run, ready to serve."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="adapters")
    run = models.OneToOneField(Run, on_delete=models.RESTRICT, related_name="adapter")
    name = models.CharField(max_length=120)
    base = models.CharField(max_length=80)
    folder = models.CharField(max_length=200)  # relative to the data folder
    digest = models.CharField(max_length=64)
    rank = models.PositiveSmallIntegerField()
    system_prompt = models.TextField(blank=True)  # what it was trained with
    created_at = models.DateTimeField(default=timezone.now)
    archived_at = models.DateTimeField(null=True)  # hidden from lists and choices, and not to be deployed

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="adapter_name_unique_in_project")]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        return Path(settings.DATA_DIR) / self.folder

    @property
    def served_name(self) -> str:
        """Return the adapter's name in vLLM.

        It is unique over all projects and runs, for a path is never loaded twice under one name.
        """
        return f"adapter-{self.pk}"
