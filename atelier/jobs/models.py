"""The abstract Job: a row that is the truth about one long task. The queue only wakes it.

A claim is one conditional UPDATE that raises the fence; every later write of that claimant requires `fence = mine`, so
a process that was presumed dead and wakes up can no longer write. Leases are compared in the database's own time.
"""

from datetime import timedelta
from typing import Any, ClassVar, NamedTuple, Self

from django.conf import settings
from django.db import models
from django.db.models import Case, DateTimeField, ExpressionWrapper, F, Q, Value, When
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from atelier.accounts.models import Project

MAX_INTERRUPTIONS = 3


class Status(models.TextChoices):
    DRAFT = "draft", "Preparing"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class PauseReason(models.TextChoices):
    """Why a job that began, or could begin, does not run. A queued one goes on by itself, a paused one when a person says so."""

    PERSON = "person", "Paused by a person"
    CHECK = "check", "Needs a check by a person"
    BUDGET = "budget", "The budget is spent"
    TURN = "turn", "Waiting for its turn"
    DISK = "disk", "The disk is full"


LIVE = [Status.QUEUED, Status.RUNNING, Status.PAUSED]
TERMINAL = [Status.DONE, Status.FAILED, Status.CANCELLED]


def from_now(seconds: float) -> ExpressionWrapper:
    """Return the database's time plus some seconds: clocks of several machines need not agree."""
    return ExpressionWrapper(Now() + Value(timedelta(seconds=seconds)), output_field=DateTimeField())


class Move(NamedTuple):
    """A move that people may request of a job: the method that does it, and the sentence when it is refused.

    The sentence may contain {noun}, {title}, {state} and {moved}; an empty one shows nothing, for the page shows the
    state.
    """

    method: str
    refused: str = ""


MOVED = {"cancel": "cancelled", "pause": "paused", "resume": "resumed", "retry": "retried", "stop": "stopped"}
CANCEL = Move("cancel", "The {noun} has already ended.")
PAUSE = Move("pause", "The {noun} is {state}, so it cannot be paused.")
RESUME = Move("enqueue", "The {noun} is {state}, so it cannot be resumed.")


class JobQuerySet(models.QuerySet["Job"]):
    def live(self) -> Self:
        """Return the jobs that are queued, running or paused."""
        return self.filter(status__in=LIVE)

    def expired(self) -> Self:
        """Return the jobs that are running by the row, but whose lease nobody renewed."""
        return self.filter(status=Status.RUNNING, lease_until__lt=Now())


class Job(models.Model):
    """The fields and moves that every kind of job shares."""

    Status = Status
    queue: ClassVar[str] = "default"
    task: ClassVar[str]  # dotted name of the Celery task that executes one job given its id
    unit: ClassVar[str] = "rows"
    resumes_cheaply: bool = True  # False for a kind that begins again when it is taken up, or takes long to get going
    icon: ClassVar[str] = "data"  # of the interface's icons
    route: ClassVar[str] = ""  # URL name of its page, taking the project's id and the job's
    noun: ClassVar[str] = ""  # in sentences; the model's name unless it says otherwise
    fetched_with: ClassVar[tuple[str, ...]] = ("created_by",)  # what its pages show of other rows
    MOVES: ClassVar[dict[str, Move]] = {"cancel": CANCEL, "pause": PAUSE, "resume": RESUME}
    cannot: ClassVar[str] = "The {noun} is {state}, so it cannot be {moved}."  # as REST says it

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="%(class)ss")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    queued_at = models.DateTimeField(null=True)
    woken_at = models.DateTimeField(null=True)  # a message for it is on its way; None again once it is claimed
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    interruptions = models.PositiveSmallIntegerField(default=0)
    done = models.BigIntegerField(default=0)
    done_at_interruption = models.BigIntegerField(default=-1)
    total = models.BigIntegerField(default=0)
    line = models.CharField(max_length=300, blank=True)
    error = models.TextField(blank=True)
    cancel_wanted = models.BooleanField(default=False)
    pause_wanted = models.BooleanField(default=False)
    pause_reason = models.CharField(max_length=10, choices=PauseReason.choices, default="", blank=True)
    idempotency_key = models.CharField(max_length=80, null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        abstract = True
        indexes = [models.Index(fields=["status", "lease_until"], name="%(app_label)s_%(class)s_live")]
        constraints = [
            models.UniqueConstraint(fields=["project", "idempotency_key"], name="%(app_label)s_%(class)s_idempotent")
        ]

    # --- what pages and commands read ---

    @property
    def title(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}".capitalize()

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def is_over(self) -> bool:
        return self.status in TERMINAL

    @classmethod
    def waits_since(cls) -> Coalesce:
        """Return since when a queued job waits, as an expression: what waiting jobs are ordered by."""
        return Coalesce("queued_at", "created_at")

    @property
    def percent(self) -> float | None:
        """Return 0 to 100, or None while the total is unknown."""
        return min(100.0, 100.0 * self.done / self.total) if self.total else None

    @property
    def seconds(self) -> float:
        """Return the wall time in seconds since the work started, until it ended."""
        if self.started_at is None:
            return 0.0
        return max(0.0, ((self.finished_at or timezone.now()) - self.started_at).total_seconds())

    @property
    def rate(self) -> float | None:
        """Return the units per second over the whole job."""
        return self.done / self.seconds if self.done and self.seconds else None

    @property
    def time_left(self) -> float | None:
        """Return the estimated seconds left, or None when they cannot be estimated yet."""
        rate = self.rate
        return (self.total - self.done) / rate if rate and self.total and self.status == Status.RUNNING else None

    # --- moves of people ---

    def move(self, name: str) -> bool:
        """Make a move that people request by a name of MOVES. Returns False when the job's state does not allow it."""
        return bool(getattr(self, self.MOVES[name].method)())

    def worded(self, sentence: str, move: str) -> str:
        """Return a sentence of a move or of `cannot`, with the job's own words in it."""
        noun, state = self.noun or self._meta.verbose_name, self.get_status_display().lower()
        return sentence.format(noun=noun, title=self.title, state=state, moved=MOVED.get(move, move))

    def enqueue(self) -> bool:
        """Queue a draft, paused, failed or cancelled job; the caller wakes a worker. Returns False for any other state."""
        changed = (
            type(self)
            ._default_manager.filter(
                pk=self.pk, status__in=[Status.DRAFT, Status.PAUSED, Status.FAILED, Status.CANCELLED]
            )
            .update(
                status=Status.QUEUED,
                queued_at=Now(),
                finished_at=None,
                error="",
                interruptions=0,
                cancel_wanted=False,
                pause_wanted=False,
                pause_reason="",
                fence=F("fence") + 1,
            )
        )
        self.refresh_from_db()
        return bool(changed)

    def cancel(self) -> bool:
        """Cancel a queued or paused job at once; ask a running one to end. Returns False when it has already ended."""
        rows = type(self)._default_manager.filter(pk=self.pk)
        changed = rows.filter(status__in=[Status.DRAFT, Status.QUEUED, Status.PAUSED]).update(
            status=Status.CANCELLED, finished_at=Now(), fence=F("fence") + 1, cancel_wanted=True, pause_reason=""
        ) or rows.filter(status=Status.RUNNING).update(cancel_wanted=True)
        self.refresh_from_db()
        return bool(changed)

    def pause(self) -> bool:
        """Pause the job: a queued one does not start; a running one is asked to stop after the units in flight."""
        rows = type(self)._default_manager.filter(pk=self.pk)
        changed = rows.filter(status=Status.QUEUED).update(
            status=Status.PAUSED, fence=F("fence") + 1, pause_reason=PauseReason.PERSON
        ) or rows.filter(status=Status.RUNNING).update(pause_wanted=True)
        self.refresh_from_db()
        return bool(changed)

    # --- moves of workers ---

    @classmethod
    def claim_row(cls, pk: Any, lease: float) -> Self | None:
        """Claim a queued job by one conditional UPDATE, so that of many copies of a message one wins."""
        claimed = cls._default_manager.filter(pk=pk, status=Status.QUEUED).update(
            status=Status.RUNNING,
            fence=F("fence") + 1,
            lease_until=from_now(lease),
            started_at=Case(When(started_at=None, then=Now()), default=F("started_at")),
            finished_at=None,
            woken_at=None,
            line=Case(When(pause_reason=PauseReason.TURN, then=Value("")), default=F("line")),
            pause_reason="",
        )
        return cls._default_manager.get(pk=pk) if claimed else None

    @classmethod
    def release_expired(cls) -> int:
        """Queue jobs again that lost their worker; end those that were interrupted three times without progress.

        Returns how many.
        """
        progressed = Q(done__gt=F("done_at_interruption"))
        released = cls._default_manager.expired().update(
            status=Status.QUEUED,
            fence=F("fence") + 1,
            lease_until=None,
            woken_at=None,
            interruptions=Case(When(progressed, then=Value(1)), default=F("interruptions") + 1),
            done_at_interruption=F("done"),
        )
        cls._default_manager.filter(status=Status.QUEUED, cancel_wanted=True).update(
            status=Status.CANCELLED, finished_at=Now(), fence=F("fence") + 1
        )
        cls._default_manager.filter(status=Status.QUEUED, interruptions__gte=MAX_INTERRUPTIONS).update(
            status=Status.FAILED,
            finished_at=Now(),
            fence=F("fence") + 1,
            error=f"The worker was lost {MAX_INTERRUPTIONS} times without any progress. Check its log, then retry.",
        )
        return released


class QueueState(models.Model):
    """The last observed state of one queue and its workers.

    The reaper writes it, so that pages and `/health` never ask the broker.
    """

    class State(models.TextChoices):
        OK = "ok", "Accepting work"
        BUSY = "busy", "All slots are busy"
        STUCK = "stuck", "Not accepting work"
        AWAY = "away", "No worker is running"
        NO_BROKER = "no_broker", "Redis does not answer"

    queue = models.CharField(max_length=40, primary_key=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OK)
    slots = models.PositiveIntegerField(default=0)
    running = models.PositiveIntegerField(default=0)
    waiting = models.PositiveIntegerField(default=0)  # rows, not messages
    since = models.DateTimeField(default=timezone.now)  # this state
    seen_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.queue}: {self.state}"
