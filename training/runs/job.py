"""The job of a training run: its folder prepared, one trainer under supervision, its adapter adopted.

Every step can be repeated: what is already complete is kept, and the trainer resumes from its newest checkpoint.
"""

import functools
import json
import logging
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection

from atelier import __version__
from atelier.files.local_paths import hidden
from atelier.jobs.claims import Claim, JobCancelled, JobFailed, JobPaused, LostClaim
from atelier.jobs.models import PauseReason
from atelier.processes.child import FilePulse, GuardedProcess
from atelier.processes.guard import SAVE_SECONDS
from curation.versions import archive
from curation.versions import files as version_files
from training import run_folder
from training.bases import offers
from training.models import Run
from training.recipe.fields import Recipe, RecipeError
from training.runs import adapters, metrics

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.5
# A stalled trainer: silent for that long before its first step, and later for so many times its usual step.
START_SILENCE, LEAST_SILENCE, SILENT_STEPS = 900.0, 300.0, 30
SHOWN = ("phase", "device", "checkpoint", "resumed_from", "notes", "seconds_left", "finish")  # of the trainer's state
MAX_STARTS = 4  # of the trainer within one claim
PHASES = {
    "loading": "Loading the base model",
    "tokenising": "Tokenizing the rows",
    "validating": "Measuring the validation loss",
    "saving": "Saving the adapter",
    "done": "Saving the adapter",
}


def train(claim: Claim[Run], command: list[str] | None = None) -> None:
    """Train a run to its end. `command` is the trainer's, which tests replace. Raises JobFailed, JobPaused, JobCancelled."""
    run = claim.job
    claim.progress(line="Preparing the data and the base")
    offers.fetch(claim, run.base)
    if not run_folder.is_done(run.folder):  # else only the adoption was lost
        prepare(run)
        supervise(claim, command or [sys.executable, "-m", "training.trainer", str(run.folder)])
    conclude(claim)


def prepare(run: Run) -> None:
    """Write what the trainer reads. Raises JobFailed when the version's files are not what was frozen."""
    base, row = offers.get(run.base), offers.note(run.base)
    try:
        archive.refuse_archived(run.version)
    except ValidationError as error:
        raise JobFailed(" ".join(error.messages)) from error
    refuse_other_base(run, row.digest)
    provenance = {
        "run": run.number,
        "version": str(run.version),
        "version_hash": run.version.content_hash,
        "erased_rows": run.version.erased,
        "base_revision": row.revision,
        "base_digest": row.digest,
        "code": code_version(),
    }
    order = run_folder.TrainingOrder(Recipe.from_dict(run.recipe), row.folder.resolve(), base.tokenizer, provenance)
    held_out = version_files.rows(run.version, "validation") if run.version.counts()["validation"] else []
    try:
        run_folder.write(run.folder, order, version_files.rows(run.version, "train"), held_out)
    except ValidationError as error:
        raise JobFailed(" ".join(error.messages)) from error
    except OSError as error:
        raise JobFailed(
            f"The run's folder cannot be written ({error.strerror}). Free some space, then retry."
        ) from error
    (run.folder / "stop").unlink(missing_ok=True)


def refuse_other_base(run: Run, digest: str) -> None:
    """Raise JobFailed when the run has checkpoints that were trained on other files of its base."""
    try:
        before = run_folder.read(run.folder).provenance.get("base_digest")
    except RecipeError:  # nothing was prepared yet
        return
    if before and before != digest and any((run.folder / "checkpoints").glob("step-*")):
        raise JobFailed(
            f"The files of {offers.title(run.base)} were replaced since {run.title} saved its checkpoints, so it cannot be "
            "resumed from them. Remove its checkpoints, then retry, or duplicate the run."
        )


@functools.cache
def code_version() -> str:
    """Return the running commit, marked when files differ from it; the release if there is no repository."""
    git = ["git", "-C", str(settings.BASE_DIR), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(git, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return f"release {__version__}"
    return found.stdout.strip() if found.returncode == 0 else f"release {__version__}"


def supervise(claim: Claim[Run], command: list[str]) -> None:
    """Run trainers until one ends by itself. One that stalls or is killed is restarted, if it made progress."""
    folder = claim.job.folder
    reached = -1
    for _ in range(MAX_STARTS):
        (folder / "state.json").unlink(missing_ok=True)
        child = GuardedProcess(command, folder / "train.log")
        child.start()
        try:
            why = watch(claim, child)
        except JobCancelled:
            child.end(seconds=0)  # nothing of it is wanted
            raise
        except JobPaused:
            child.end(seconds=SAVE_SECONDS)  # the last finished step is, and a slow disk takes its time
            raise
        finally:
            child.end()
        if not why:
            return
        step = claim.job.done
        if step <= reached:
            raise JobFailed(why)
        reached = step
        claim.progress(line=f"{why} Restarting from the last checkpoint.")
    raise JobFailed(f"The trainer had to be started {MAX_STARTS} times. The last reason: {why}")


def watch(claim: Claim[Run], child: GuardedProcess) -> str:
    """Watch one trainer. Returns "" when it ended by itself, else a sentence on why it must be restarted."""
    run, folder = claim.job, claim.job.folder
    tail, pulse = metrics.Tail(folder), FilePulse(folder / "state.json", folder / "metrics.jsonl", folder / "train.log")
    while True:
        code = child.poll()
        tail.look()
        state = run_folder.state(folder)
        report(claim, state, tail)
        if code is not None:
            return ended(claim, code, state)
        if run.stop_wanted:
            run_folder.ask_to_stop(folder)
        silence = pulse.silent_for()
        if silence > patience(tail):
            return f"The trainer was silent for {silence:.0f} seconds and was ended."
        time.sleep(LOOK_SECONDS)


def patience(tail: metrics.Tail) -> float:
    """Return for how long a trainer may be silent, in seconds."""
    return max(LEAST_SILENCE, SILENT_STEPS * tail.median_step) if tail.median_step else START_SILENCE


def report(claim: Claim[Run], state: dict[str, Any], tail: metrics.Tail) -> None:
    """Write the trainer's figures into the row and obey requests.

    A database that is unavailable for a moment is waited for: the claim's own heartbeat decides when that was too long.
    """
    summary = tail.summary() | {name: state[name] for name in SHOWN if state.get(name) not in (None, "", [])}
    try:
        if summary != claim.job.summary:
            claim.update(summary=summary)
        # Until a resumed trainer knows its place, the row keeps what was reached.
        total = int(state.get("total_steps") or 0)
        claim.progress(int(state["step"]) if total else None, total or None, line(state, summary))
        claim.job.refresh_from_db(fields=["stop_wanted"])
    except DatabaseError as error:
        log.warning("%s: the database is away: %s", claim.job.title, error)
        connection.close()
        if claim.lost.is_set():
            raise LostClaim from error


def line(state: dict[str, Any], summary: dict[str, Any]) -> str:
    """Describe what the trainer does now, in a sentence."""
    phase = state.get("phase", "")
    if phase != "training" or "loss" not in summary:
        return PHASES.get(phase, "Starting the trainer")
    parts = [f"Loss {summary['loss']:.3f}"]
    if "eval_loss" in summary:
        parts.append(f"validation loss {summary['eval_loss']:.3f}")
    if "tokens_per_s" in summary:
        parts.append(f"{summary['tokens_per_s']:.0f} tokens/s")
    return ", ".join(parts)


def ended(claim: Claim[Run], code: int, state: dict[str, Any]) -> str:
    """Interpret the end of a trainer: "" for a good end, a sentence to restart it. Raises JobFailed or JobPaused."""
    if code == run_folder.DONE and run_folder.is_done(claim.job.folder):
        return ""
    failure = state.get("failure") or {}
    if failure.get("code") == "disk_full":
        claim.update(line=said(failure)[:300])
        raise JobPaused(PauseReason.DISK)
    if failure:
        raise JobFailed(said(failure))
    if code in (128 + signal.SIGKILL, -signal.SIGKILL):  # the trainer, or the guard between it and us
        return "The trainer was killed from outside, which the system does when memory runs out. If it happens again, halve the batch or train with QLoRA."
    if code in (run_folder.STOPPED, 128 + signal.SIGTERM, -signal.SIGTERM):
        return "The trainer was ended from outside."
    words = hidden(metrics.log_tail(claim.job.folder / "train.log", 1), [settings.DATA_DIR, sys.prefix])
    raise JobFailed(f"The trainer failed with {name_of(code)}: {words[-500:] or 'no message'}")


def name_of(code: int) -> str:
    """Return an exit code for people: the signal's name if one ended the program, such as SIGILL."""
    try:
        return signal.Signals(-code if code < 0 else code - 128).name if code < 0 or code > 128 else f"code {code}"
    except ValueError:
        return f"code {code}"


def said(failure: dict[str, Any]) -> str:
    return f"{failure.get('sentence', 'The training failed.')} {failure.get('advice', '')}".strip()


def conclude(claim: Claim[Run]) -> None:
    """Store the trainer's report about itself, and adopt the adapter."""
    run = claim.job
    facts = read_facts(run.folder / "meta.json")
    found = adapters.inspect(run)
    with claim.writing(facts=facts, done=facts.get("steps", run.done)):
        adapter = adapters.adopt(run, found)
    words = f"{adapter.name} is ready to deploy"
    if facts.get("finish") == "stopped early":
        words += f"; stopped early, at step {facts['steps']} of {run.total}"
    claim.update(line=words[:300])


def read_facts(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise JobFailed("The trainer ended without writing meta.json. Check the log, then retry.") from error
