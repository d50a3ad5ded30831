"""The models of distillations: a teacher writes an answer for each record; the ledger keeps every call."""

from decimal import Decimal

from django.db import models
from django.utils import timezone

from atelier.database.ranges import between
from atelier.jobs.models import Job, Move, PauseReason
from atelier.web.border import BIGGEST_INT
from curation.models.datasets import Dataset
from curation.models.records import Record


class Distillation(Job):
    """A distillation: a teacher answers the records of one dataset; its answers become conversations in another."""

    task = "curation.tasks.distil"
    route = "curation:distillation"
    icon = "distil"
    fetched_with = ("dataset", "target", "teacher", "created_by")
    MOVES = Job.MOVES | {"pause": Move("pause", "The {noun} isn't running.")}

    name = models.CharField(max_length=120)
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="distillations")
    target = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="distilled_by")
    teacher = models.ForeignKey(
        "inference.Endpoint", on_delete=models.SET_NULL, null=True, related_name="distillations"
    )
    teacher_name = models.CharField(max_length=200)  # as it was, should the endpoint go
    system_prompt = models.TextField(blank=True)  # for the teacher: the whole guide
    template = models.TextField()  # Jinja over the record's fields and metadata: the user message
    student_prompt = models.TextField(blank=True)  # the system message of the conversation that is kept
    keep_thoughts = models.BooleanField(default=False)  # the teacher's reasoning becomes part of the conversation
    sampling = models.JSONField(default=dict)
    concurrency = models.PositiveSmallIntegerField(default=8)
    filters = models.JSONField(default=dict)  # which records, as in the URL of the list
    limit = models.PositiveIntegerField(null=True)
    budget = models.DecimalField(max_digits=12, decimal_places=4, null=True)  # in the currency of the endpoint's prices
    mark_accepted_by = models.CharField(max_length=120, blank=True)
    planned = models.BooleanField(default=False)  # the ledger is complete: no record joins any more
    resumed_at = models.DateTimeField(null=True)  # of the present attempt: rate and time left are reckoned from here
    resumed_done = models.BigIntegerField(default=0)
    ok = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)
    prompt_tokens = models.BigIntegerField(default=0)
    completion_tokens = models.BigIntegerField(default=0)
    cost = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    flaws = models.JSONField(default=dict)  # how many answers have each flaw, and from how many thoughts were left out

    class Meta(Job.Meta):
        abstract = False
        constraints = [
            *Job.Meta.constraints,
            between("budget", 0, Decimal("99999999.9999")),
            between("cost", 0, Decimal("99999999.999999")),
            between("limit", 1, BIGGEST_INT),
            between("concurrency", 1, 64),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def title(self) -> str:
        return f"Distil {self.name}"

    @property
    def rate(self) -> float | None:
        """Return the answers per second since the job last resumed: a night's pause does not count."""
        if self.resumed_at is None or not (self.is_over or self.status == self.Status.RUNNING):
            return None
        end = self.finished_at if self.is_over and self.finished_at else timezone.now()
        seconds = (end - self.resumed_at).total_seconds()
        done = self.done - self.resumed_done
        return done / seconds if done > 0 and seconds > 0 else None

    @property
    def over_budget(self) -> bool:
        """Return whether the budget, and no person, paused it."""
        return self.status == self.Status.PAUSED and self.pause_reason == PauseReason.BUDGET

    def enqueue(self) -> bool:
        """Queue the job like any other; a finished one may also resume when failed rows were reset."""
        if self.status == self.Status.DONE and self.generations.filter(outcome=Generation.Outcome.PENDING).exists():
            type(self)._default_manager.filter(pk=self.pk, status=self.Status.DONE).update(status=self.Status.PAUSED)
        return super().enqueue()


class Generation(models.Model):
    """A unit of a distillation: the call for one record, with its prompt, answer, tokens, cost and outcome."""

    class Outcome(models.TextChoices):
        PENDING = "pending"
        OK = "ok"
        FAILED = "failed"
        SKIPPED = "skipped"

    class Flaw(models.TextChoices):
        HALF = "half", "Incomplete"
        REFUSAL = "refusal", "Refusal"
        BLANK = "blank", "Empty"

    distillation = models.ForeignKey(Distillation, on_delete=models.CASCADE, related_name="generations")
    record = models.ForeignKey(Record, on_delete=models.SET_NULL, null=True, related_name="generations")
    outcome = models.CharField(max_length=7, choices=Outcome.choices, default=Outcome.PENDING)
    reason = models.CharField(max_length=500, blank=True)
    prompt = models.JSONField(default=list)
    answer = models.TextField(blank=True)
    reasoning = models.TextField(blank=True)
    finish_reason = models.CharField(max_length=40, blank=True)  # the teacher's word for why its answer ended
    flaw = models.CharField(max_length=7, choices=Flaw.choices, blank=True)  # of the answer
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    cost = models.DecimalField(max_digits=12, decimal_places=6, default=0)
    seconds = models.FloatField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    result = models.OneToOneField(Record, on_delete=models.SET_NULL, null=True, related_name="generation")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["distillation", "outcome", "id"], name="generation_by_outcome")]
        constraints = [models.UniqueConstraint(fields=["distillation", "record"], name="one_generation_a_record")]

    def __str__(self) -> str:
        return f"generation {self.pk}: {self.outcome}"
