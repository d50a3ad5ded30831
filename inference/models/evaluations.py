"""The models of evaluations: a split answered by endpoints, and scored."""

from django.db import models, transaction

from atelier.database.ranges import between
from atelier.jobs.models import Job, Move
from atelier.web.border import BIGGEST_INT
from curation.models import Record, Version
from curation.tool_calls import ReadableCall, readable
from inference.models.endpoints import Endpoint


class Evaluation(Job):
    task = "inference.tasks.evaluate"
    unit = "answers"
    icon = "evaluate"
    route = "inference:evaluation"
    fetched_with = ("version__dataset",)
    MOVES = {"cancel": Move("cancel"), "pause": Move("pause"), "resume": Move("retry")}

    name = models.CharField(max_length=120)
    version = models.ForeignKey(Version, on_delete=models.RESTRICT, related_name="evaluations")
    split = models.CharField(max_length=10, default="test")
    endpoints = models.ManyToManyField(Endpoint, related_name="evaluations")
    # [{"id", "name"}] as chosen: the first is what the others are measured by.
    entrants = models.JSONField(default=list)
    system_prompt = models.TextField(blank=True)  # empty: as in the version's conversations
    sampling = models.JSONField(default=dict)
    concurrency = models.PositiveSmallIntegerField(default=8)
    limit = models.PositiveIntegerField(null=True)
    rules = models.TextField(blank=True)  # TOML, as the project's rules were when it started
    scores = models.JSONField(default=dict)  # endpoint id -> the table's figures

    class Meta(Job.Meta):
        abstract = False
        constraints = [*Job.Meta.constraints, between("limit", 1, BIGGEST_INT), between("concurrency", 1, 64)]

    def __str__(self) -> str:
        return self.name

    @property
    def title(self) -> str:
        return f"Evaluate {self.name}"

    def retry(self) -> bool:
        """Queue it again; answers that failed are requested again. Returns False when it is not over, or nothing is missing."""
        failed = self.answers.filter(outcome=EvaluationAnswer.Outcome.FAILED)
        with transaction.atomic():
            if failed.exists():
                rows = Evaluation.objects.filter(pk=self.pk, status=self.Status.DONE)
                rows.update(status=self.Status.FAILED)  # from which it can be queued again
            if not self.enqueue():
                return False
            failed.update(outcome=EvaluationAnswer.Outcome.PENDING, reason="")
        return True


class EvaluationAnswer(models.Model):
    """A unit of an evaluation: one endpoint's answer to one row of the split."""

    class Outcome(models.TextChoices):
        PENDING = "pending"
        OK = "ok"
        FAILED = "failed"
        SKIPPED = "skipped"

    class Flaw(models.TextChoices):
        REFUSAL = "refusal", "Refusal"
        BLANK = "blank", "Empty"

    evaluation = models.ForeignKey(Evaluation, on_delete=models.CASCADE, related_name="answers")
    endpoint = models.ForeignKey(Endpoint, on_delete=models.RESTRICT, related_name="evaluation_answers")
    row = models.PositiveIntegerField()  # line in the split's file, from 1
    record = models.ForeignKey(Record, on_delete=models.SET_NULL, null=True, related_name="evaluation_answers")
    outcome = models.CharField(max_length=7, choices=Outcome.choices, default=Outcome.PENDING)
    reason = models.CharField(max_length=500, blank=True)
    prompt = models.JSONField(default=list)
    tools = models.JSONField(default=list)  # on offer
    reference = models.TextField(blank=True)
    reference_calls = models.JSONField(default=list)
    text = models.TextField(blank=True)
    tool_calls = models.JSONField(default=list)  # in the form of curation.tool_calls
    # Whether those are the reference's; null for a row without tools.
    calls_right = models.BooleanField(null=True)
    calls_why = models.TextField(blank=True)
    flaw = models.CharField(max_length=7, choices=Flaw.choices, blank=True)  # of an answer that is none
    is_cut = models.BooleanField(default=False)  # the server ended it before it came to an end
    finish_reason = models.CharField(max_length=40, blank=True)  # the server's word for why it ended
    verdicts = models.JSONField(default=list)  # [{"rule", "ok", "why"}]
    broken = models.TextField(blank=True)  # ids of the rules it breaks, "|headline|numbers|": for filtering
    chrf = models.FloatField(null=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)

    class Meta:
        ordering = ["row", "endpoint_id"]
        constraints = [
            models.UniqueConstraint(fields=["evaluation", "endpoint", "row"], name="one_answer_a_row_and_endpoint")
        ]

    def __str__(self) -> str:
        return f"row {self.row}: {self.outcome}"

    @property
    def readable_calls(self) -> list[ReadableCall]:
        """Return its calls of tools as people read them."""
        return readable(self.tool_calls, self.tools)
