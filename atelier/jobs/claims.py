"""Execution of a job: the claim, its heartbeat, and the ways in which it can end."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from atelier.files import disk
from atelier.jobs import shares
from atelier.jobs.models import Job, PauseReason, Status, from_now

log = logging.getLogger(__name__)
SHARE_LOOK_SECONDS = 1.0  # between two looks at whether another team waits
_slot: "ContextVar[Slot | None]" = ContextVar("slot", default=None)
J = TypeVar("J", bound=Job)


class LostClaim(Exception):
    """Somebody else owns the job now: stop, and write nothing more."""


class JobCancelled(Exception):
    """A person asked to cancel the job."""


class JobPaused(Exception):
    """A person asked for a pause, or there is another reason for one."""

    def __init__(self, reason: PauseReason = PauseReason.PERSON) -> None:
        super().__init__(reason.label)
        self.reason = reason


class TurnYielded(JobPaused):
    """Another team waits with nothing running: the job ends as for a pause, and is queued again after the waiting ones."""

    def __init__(self) -> None:
        super().__init__(PauseReason.TURN)


class JobFailed(Exception):
    """The work cannot be done. The message is shown to people: what was wrong and what to do."""


class Slot:
    """A worker's slot, which other teams may want. Work in a terminal or in a request holds none."""

    used = False  # for a job that did not pass it on

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold this slot for what is executed within."""
        token = _slot.set(self)
        try:
            yield
        finally:
            _slot.reset(token)


class Claim(Generic[J]):
    """The right to work on one job. Every write goes through it, so that none comes from a stale claimant."""

    def __init__(self, job: J) -> None:
        self.job = job
        self.fence = job.fence
        self.lost = threading.Event()
        self._stop = threading.Event()
        self._when_done: list[Callable[[], Any]] = []
        self.keeps_turn = False  # True while giving way would throw away what was begun, such as a download
        self._slot = _slot.get()
        self._began = self._looked = time.monotonic()

    def when_done(self, note: Callable[[], Any]) -> None:
        """Register a call for the transaction of the last write, if the job ends well: never twice, never too early."""
        self._when_done.append(note)

    def _mine(self) -> Any:
        return type(self.job)._default_manager.filter(pk=self.job.pk, fence=self.fence, status=Status.RUNNING)

    def update(self, **fields: Any) -> None:
        """Write fields of the job. Raises LostClaim when the job is no longer this claim's."""
        if self.lost.is_set() or not self._mine().update(**fields):
            self.lost.set()
            raise LostClaim
        for name, value in fields.items():
            setattr(self.job, name, value)

    @contextmanager
    def writing(self, **fields: Any) -> Iterator[None]:
        """Open a short transaction for ledger rows, which first proves, and locks, that the job is this claim's."""
        with transaction.atomic():
            self.update(lease_until=from_now(settings.JOB_LEASE_SECONDS), **fields)
            yield

    def progress(self, done: int | None = None, total: int | None = None, line: str | None = None) -> None:
        """Note the progress, and obey requests to stop. Raises JobCancelled, JobPaused, TurnYielded or LostClaim."""
        fields = {"done": done, "total": total, "line": line[:300] if line is not None else None}
        self.update(**{k: v for k, v in fields.items() if v is not None} or {"line": self.job.line})
        self.obey()

    def obey(self) -> None:
        """Raise JobCancelled or JobPaused when a person asked for it, or TurnYielded (a kind of JobPaused) or LostClaim.

        TurnYielded is raised when another team's turn has come, LostClaim when the job is no longer this claim's.
        """
        wish = self._mine().values_list("cancel_wanted", "pause_wanted").first()
        if wish is None or self.lost.is_set():
            raise LostClaim
        if wish[0]:
            raise JobCancelled
        if wish[1]:
            raise JobPaused
        now = time.monotonic()
        if self._slot and not self.keeps_turn and now - self._looked >= SHARE_LOOK_SECONDS:
            self._looked = now
            if shares.gives_way(self.job, now - self._began):
                raise TurnYielded

    def end(self, status: str, error: str = "", reason: str = "") -> None:
        """End the job (or pause it) with the last write, which raises the fence so that nothing follows."""
        over = {} if status == Status.PAUSED else {"finished_at": Now()}
        with transaction.atomic():
            ended = self._mine().update(
                status=status, error=error[:4000], lease_until=None, pause_wanted=False, pause_reason=reason,
                fence=self.fence + 1, **over,
            )  # fmt: skip
            for note in self._when_done if ended and status == Status.DONE else []:
                note()
        if not ended:
            log.warning("%s ended as %s, but its claim was lost", self.job.title, status)

    def release(self) -> None:
        """Release an unfinished job at once, as a worker does that is asked to end: the next one resumes it."""
        self._mine().update(status=Status.QUEUED, lease_until=None, woken_at=None, fence=self.fence + 1)

    def pass_on(self) -> None:
        """Let another team go first: the job is queued again after the waiting ones. That does not count as an interruption."""
        load = shares.loads(self.job.queue).get(shares.team_of(self.job), shares.TeamLoad())
        words = shares.line(max(0, load.running - 1))
        self._mine().update(
            status=Status.QUEUED, lease_until=None, queued_at=Now(), woken_at=None, line=words,
            pause_reason=PauseReason.TURN, fence=self.fence + 1,
        )  # fmt: skip

    def waits_for_room(self, error: Exception) -> bool:
        """Queue the job again when the disk was full: the reaper wakes it now and then, until there is space."""
        if not disk.is_full(error):
            return False
        log.error("The disk is full; %s waits: %s", self.job.title, error)
        try:
            self._mine().update(
                status=Status.QUEUED, lease_until=None, woken_at=Now(), line=disk.WAITS,
                pause_reason=PauseReason.DISK, fence=self.fence + 1,
            )  # fmt: skip
        except DatabaseError as second:  # it is on that disk too: the lease runs out, and the reaper queues the job
            log.error("%s could not be queued again: %s", self.job.title, second)
        return True

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Renew the lease from a thread, so that a long step without progress does not lose the job."""
        thread = threading.Thread(target=self._beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _beat(self) -> None:
        lease = settings.JOB_LEASE_SECONDS
        missed = 0.0
        try:
            while not self._stop.wait(lease / 3):
                try:
                    if not self._mine().update(lease_until=from_now(lease)):
                        self.lost.set()
                        return
                    missed = 0.0
                except DatabaseError as error:
                    missed += lease / 3
                    log.warning("could not renew the lease of %s: %s", self.job.title, error)
                    connection.close()
                    if missed >= lease:
                        self.lost.set()  # by now another worker may own it
                        return
        finally:
            connection.close()


def execute(model: type[J], pk: Any, work: Callable[[Claim[J]], None]) -> None:
    """Claim the job and do the work, unless somebody else has it. Every outcome ends in the row; nothing is raised."""
    job = model.claim_row(pk, settings.JOB_LEASE_SECONDS)
    if job is None:
        log.info("%s %s is not waiting: another worker has it, or it is over", model.__name__, pk)
        return
    claim = Claim(job)
    if slot := _slot.get():
        slot.used = True
    with claim.heartbeat():
        try:
            work(claim)
        except LostClaim:
            log.warning("%s was taken over by another worker; stopped without writing", job.title)
        except JobCancelled:
            claim.end(Status.CANCELLED)
        except TurnYielded:
            claim.pass_on()
            if slot:
                slot.used = False
        except JobPaused as pause:
            claim.end(Status.PAUSED, reason=pause.reason)
        except (SystemExit, KeyboardInterrupt):
            claim.release()
            raise
        except Exception as error:
            _fail(claim, error)
        else:
            claim.end(Status.DONE)


def _fail(claim: Claim[Any], error: Exception) -> None:
    """End a job with its error, unless the disk was full."""
    if claim.waits_for_room(error):
        return
    if isinstance(error, JobFailed):
        claim.end(Status.FAILED, str(error))
        return
    log.error("%s failed", claim.job.title, exc_info=error)
    words = f"An unexpected error occurred ({type(error).__name__}: {error}). See the worker's log for details."
    claim.end(Status.FAILED, words)
