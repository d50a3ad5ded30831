"""Executing a job: the claim, its heartbeat, and the ways in which it can end."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from atelier.jobs.models import Job, Status, from_now

log = logging.getLogger(__name__)
J = TypeVar("J", bound=Job)


class LostClaim(Exception):
    """Somebody else owns the job now: stop, and write nothing more."""


class Cancelled(Exception):
    """A person asked for the end."""


class Paused(Exception):
    """A person asked for a pause."""


class JobFailed(Exception):
    """The work cannot be done. The message is shown to people: what was wrong and what to do."""


class Claim(Generic[J]):
    """The right to work on one job. Every write goes through it, so that none comes from a stale claimant."""

    def __init__(self, job: J) -> None:
        self.job = job
        self.fence = job.fence
        self.lost = threading.Event()
        self._stop = threading.Event()
        self._when_done: list[Callable[[], Any]] = []

    def when_done(self, note: Callable[[], Any]) -> None:
        """Have this called in the transaction of the last write, if the job ends well: never twice, never too early."""
        self._when_done.append(note)

    def _mine(self) -> Any:
        return type(self.job)._default_manager.filter(pk=self.job.pk, fence=self.fence, status=Status.RUNNING)

    def update(self, **fields: Any) -> None:
        """Write fields of the job. Raises LostClaim when it is no longer ours."""
        if self.lost.is_set() or not self._mine().update(**fields):
            self.lost.set()
            raise LostClaim
        for name, value in fields.items():
            setattr(self.job, name, value)

    @contextmanager
    def writing(self, **fields: Any) -> Iterator[None]:
        """A short transaction for ledger rows: it first proves, and locks, that the job is ours."""
        with transaction.atomic():
            self.update(lease_until=from_now(settings.JOB_LEASE_SECONDS), **fields)
            yield

    def progress(self, done: int | None = None, total: int | None = None, line: str | None = None) -> None:
        """Note how far it is, and obey wishes. Raises Cancelled, Paused or LostClaim."""
        given = {"done": done, "total": total, "line": line[:300] if line is not None else None}
        self.update(**{k: v for k, v in given.items() if v is not None} or {"line": self.job.line})
        self.obey()

    def obey(self) -> None:
        """Raise Cancelled or Paused when a person asked for it, LostClaim when the job is not ours any more."""
        wish = self._mine().values_list("cancel_wanted", "pause_wanted").first()
        if wish is None or self.lost.is_set():
            raise LostClaim
        if wish[0]:
            raise Cancelled
        if wish[1]:
            raise Paused

    def end(self, status: str, error: str = "") -> None:
        """The last write: the job is over (or paused), and the fence goes up so that nothing follows."""
        over = {} if status == Status.PAUSED else {"finished_at": Now()}
        with transaction.atomic():
            ended = self._mine().update(
                status=status, error=error[:4000], lease_until=None, pause_wanted=False, fence=self.fence + 1, **over
            )
            for note in self._when_done if ended and status == Status.DONE else []:
                note()
        if not ended:
            log.warning("%s ended as %s, but its claim was lost", self.job.title, status)

    def release(self) -> None:
        """Give an unfinished job back at once, as a worker does that is asked to end: the next one takes it up."""
        self._mine().update(status=Status.QUEUED, lease_until=None, woken_at=None, fence=self.fence + 1)

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
    with claim.heartbeat():
        try:
            work(claim)
        except LostClaim:
            log.warning("%s was taken over by another worker; stopped without writing", job.title)
        except Cancelled:
            claim.end(Status.CANCELLED)
        except Paused:
            claim.end(Status.PAUSED)
        except JobFailed as error:
            claim.end(Status.FAILED, str(error))
        except (SystemExit, KeyboardInterrupt):
            claim.release()
            raise
        except Exception as error:
            log.exception("%s failed", job.title)
            claim.end(
                Status.FAILED,
                f"Something unexpected went wrong ({type(error).__name__}: {error}). The worker's log has more.",
            )
        else:
            claim.end(Status.DONE)
