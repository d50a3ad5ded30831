"""The abstract Job: a row that is the truth about one long work. The queue only wakes it.

A claim is one conditional UPDATE that raises the fence; every later write of that claimant says `fence = mine`, so a
process that was presumed dead and wakes up cannot write any more. Leases are compared in the database's own time.
"""

from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Case, DateTimeField, ExpressionWrapper, F, Q, Value, When
from django.db.models.functions import Now
from django.utils import timezone

from atelier.accounts.models import Project

MAX_INTERRUPTIONS = 3


class Status(models.TextChoices):
    DRAFT = "draft", "Being prepared"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


LIVE = [Status.QUEUED, Status.RUNNING, Status.PAUSED]
TERMINAL = [Status.DONE, Status.FAILED, Status.CANCELLED]


def from_now(seconds: float) -> ExpressionWrapper:
    """The database's time plus some seconds: clocks of several machines need not agree."""
    return ExpressionWrapper(Now() + Value(timedelta(seconds=seconds)), output_field=DateTimeField())


class JobQuerySet(models.QuerySet["Job"]):
    def live(self) -> Self:
        """Queued, running or paused."""
        return self.filter(status__in=LIVE)

    def expired(self) -> Self:
        """Running by the row, but nobody renewed the lease."""
        return self.filter(status=Status.RUNNING, lease_until__lt=Now())


class Job(models.Model):
    """Fields and moves that every kind of long work shares."""

    Status = Status
    queue: ClassVar[str] = "default"
    task: ClassVar[str]  # dotted name of the Celery task that executes one job given its id
    unit: ClassVar[str] = "rows"
    icon: ClassVar[str] = "data"  # of the interface's icons
    route: ClassVar[str] = ""  # URL name of its page, taking the project's id and the job's

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="%(class)ss")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    queued_at = models.DateTimeField(null=True)
    woken_at = models.DateTimeField(null=True)
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

    @property
    def percent(self) -> float | None:
        """0 to 100, or None while the total is unknown."""
        return min(100.0, 100.0 * self.done / self.total) if self.total else None

    @property
    def seconds(self) -> float:
        """Wall time since the work started, until it ended."""
        if self.started_at is None:
            return 0.0
        return max(0.0, ((self.finished_at or timezone.now()) - self.started_at).total_seconds())

    @property
    def rate(self) -> float | None:
        """Units a second over the whole work."""
        return self.done / self.seconds if self.done and self.seconds else None

    @property
    def time_left(self) -> float | None:
        """Seconds, or None when nothing can be said yet."""
        rate = self.rate
        return (self.total - self.done) / rate if rate and self.total and self.status == Status.RUNNING else None

    # --- moves of people ---

    def enqueue(self) -> bool:
        """Draft, paused, failed or cancelled becomes queued; the caller wakes a worker. False if it was otherwise."""
        changed = (
            type(self)
            ._default_manager.filter(
                pk=self.pk, status__in=[Status.DRAFT, Status.PAUSED, Status.FAILED, Status.CANCELLED]
            )
            .update(
                status=Status.QUEUED,
                queued_at=Now(),
                woken_at=None,
                finished_at=None,
                error="",
                interruptions=0,
                cancel_wanted=False,
                pause_wanted=False,
                fence=F("fence") + 1,
            )
        )
        self.refresh_from_db()
        return bool(changed)

    def cancel(self) -> bool:
        """Ends what is queued or paused at once; asks what runs to end. False when it was over already."""
        rows = type(self)._default_manager.filter(pk=self.pk)
        changed = rows.filter(status__in=[Status.DRAFT, Status.QUEUED, Status.PAUSED]).update(
            status=Status.CANCELLED, finished_at=Now(), fence=F("fence") + 1, cancel_wanted=True
        ) or rows.filter(status=Status.RUNNING).update(cancel_wanted=True)
        self.refresh_from_db()
        return bool(changed)

    def pause(self) -> bool:
        """Keeps what is queued from starting; asks what runs to stop after the units in flight."""
        rows = type(self)._default_manager.filter(pk=self.pk)
        changed = rows.filter(status=Status.QUEUED).update(status=Status.PAUSED, fence=F("fence") + 1) or rows.filter(
            status=Status.RUNNING
        ).update(pause_wanted=True)
        self.refresh_from_db()
        return bool(changed)

    # --- moves of workers ---

    @classmethod
    def claim_row(cls, pk: Any, lease: float) -> Self | None:
        """Make a queued job mine: one conditional UPDATE, so that of many copies of a message one wins."""
        claimed = cls._default_manager.filter(pk=pk, status=Status.QUEUED).update(
            status=Status.RUNNING,
            fence=F("fence") + 1,
            lease_until=from_now(lease),
            started_at=Case(When(started_at=None, then=Now()), default=F("started_at")),
            finished_at=None,
        )
        return cls._default_manager.get(pk=pk) if claimed else None

    @classmethod
    def release_expired(cls) -> int:
        """Queue again what lost its worker; end what was interrupted three times without progress. Returns how many."""
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
            error=f"The worker was lost {MAX_INTERRUPTIONS} times without any progress. See its log, then retry.",
        )
        return released
