"""Runs with the real trainer on a tiny model; a stand-in trainer only where signals and silence are tested."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import connection

from atelier.jobs import claims
from atelier.jobs.models import Status
from atelier.processes import child
from curation.models import Dataset
from tests.speed import patient
from tests.training.conftest import QUICK, SLUG
from training.models import Adapter, Run
from training.runs import control, metrics
from training.runs import job as run_job

pytestmark = pytest.mark.django_db


def work(run: Run, command: list[str] | None = None) -> Run:
    claims.execute(Run, run.pk, lambda claim: run_job.train(claim, command))
    run.refresh_from_db()
    return run


def stand_in(tmp_path: Path, body: str) -> list[str]:
    """Return the command of a trainer of a few lines; `folder` is the run's folder, `state` writes its report."""
    script = tmp_path / "stand_in.py"
    script.write_text(
        "import json, os, signal, sys, time\nfrom pathlib import Path\nfolder = Path(sys.argv[1])\n"
        "def state(**values):\n    (folder / 'state.json').write_text(json.dumps(values))\n" + body
    )
    return [sys.executable, str(script)]


@pytest.mark.slow
def test_a_run_trains_and_leaves_an_adapter(run, tiny_base):
    work(run)
    assert run.status == Status.DONE, run.error
    adapter = run.adapter
    assert adapter.name == "SmolLM2 135M Instruct, run 1: first try"
    assert adapter.rank == 4
    assert adapter.system_prompt == "Write plainly."
    assert len(adapter.digest) == 64
    assert (adapter.path / "adapter_config.json").is_file()
    assert run.done == run.total == 6
    assert run.facts["version_hash"] == run.version.content_hash
    assert run.facts["base_revision"] == "tiny-1"
    assert run.facts["seed"] == 17
    assert run.summary["loss"] > 0
    assert [row["step"] for row in metrics.run_folder.metrics(run.folder)] == [1, 2, 3, 4, 5, 6]
    assert metrics.chart(run.folder, True)["series"][1]["points"]


@pytest.mark.slow
def test_doing_a_finished_run_again_keeps_its_adapter(run, tiny_base):
    work(run)
    before = run.adapter.digest
    Run.objects.filter(pk=run.pk).update(status=Status.QUEUED)
    work(run)
    assert run.status == Status.DONE
    assert Adapter.objects.get().digest == before


def test_numbers_count_within_the_project(version, bob, run):
    assert control.start(version, SLUG, None, bob).number == run.number + 1


def test_the_same_key_gives_the_same_run(version, bob):
    first = control.start(version, SLUG, None, bob, key="k")
    assert control.start(version, SLUG, None, bob, key="k") == first


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("rank", 1000, "LoRA rank must be between 1 and 64"),
        ("learning_rate", "fast", "Learning rate must be a number"),
        ("colour", "red", "A recipe has no field colour."),
    ],
)
def test_a_bad_recipe_is_refused_with_a_sentence(field, value, says):
    with pytest.raises(ValidationError, match=says):
        control.recipe_for(SLUG, {field: value})


def test_an_unknown_base_names_those_there_are(version, bob):
    with pytest.raises(ValidationError, match=r"No base is called 'gpt'\. Available: smollm2-135m-instruct"):
        control.start(version, "gpt", None, bob)


def test_documents_and_unfrozen_versions_cannot_be_trained_on(version, bob):
    version.dataset.kind = Dataset.Kind.DOCUMENTS
    with pytest.raises(ValidationError, match="training needs conversations"):
        control.start(version, SLUG, None, bob)
    version.status = Status.RUNNING
    with pytest.raises(ValidationError, match="not frozen yet"):
        control.start(version, SLUG, None, bob)


def test_a_flipped_byte_in_the_version_is_refused(run, tiny_base):
    path = Path(default_storage.path(run.version.files["train"]["name"]))
    path.write_bytes(path.read_bytes().replace(b"number 3", b"number 4"))
    work(run)
    assert run.status == Status.FAILED
    assert "differs from what was frozen" in run.error


@pytest.mark.slow
def test_a_failure_of_the_trainer_is_a_sentence_with_advice(version, bob, tiny_base):
    run = control.start(version, SLUG, control.recipe_for(SLUG, {**QUICK, "max_length": 16}), bob)
    work(run)
    assert run.status == Status.FAILED
    assert "longer than 16 tokens" in run.error
    assert "Raise the max sequence length" in run.error


def test_a_full_disk_pauses_the_run(run, tiny_base, tmp_path):
    work(
        run,
        [
            *stand_in(
                tmp_path,
                (
                    "state(phase='failed', failure={'code': 'disk_full', 'sentence': 'The disk is full.', 'advice': 'Make room.'})\n"
                    "sys.exit(1)\n"
                ),
            ),
            str(run.folder),
        ],
    )
    assert (run.status, run.line) == (Status.PAUSED, "The disk is full. Make room.")


def test_a_trainer_that_breaks_off_says_its_last_words(run, tiny_base, tmp_path):
    work(run, [*stand_in(tmp_path, "print('no such thing')\nsys.exit(7)\n"), str(run.folder)])
    assert run.status == Status.FAILED
    assert run.error == "The trainer failed with code 7: no such thing"


def test_a_trainer_that_is_killed_without_progress_fails_with_advice(run, tiny_base, tmp_path):
    work(run, [*stand_in(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)\n"), str(run.folder)])
    assert run.status == Status.FAILED
    assert "memory runs out" in run.error


GUARD_KILLED_ONCE = """
first = not (folder / "began").exists()
(folder / "began").write_text("x")
state(phase="training", step=1 if first else 2, total_steps=9)
if first:
    time.sleep(2)
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
state(phase="failed", failure={"sentence": "The second trainer came to here."})
sys.exit(1)
"""


def test_a_guard_that_is_killed_is_a_lost_trainer_and_starts_again(run, tiny_base, tmp_path):
    work(run, [*stand_in(tmp_path, GUARD_KILLED_ONCE), str(run.folder)])
    assert run.error == "The second trainer came to here."


def test_a_guard_that_is_killed_without_progress_fails_with_advice(run, tiny_base, tmp_path):
    work(run, [*stand_in(tmp_path, "os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(60)\n"), str(run.folder)])
    assert run.status == Status.FAILED
    assert "killed from outside" in run.error


@pytest.mark.slow
def test_a_stalled_trainer_is_ended_and_started_again(run, tiny_base, tmp_path, monkeypatch):
    monkeypatch.setattr(run_job, "START_SILENCE", 1.5)
    counter = tmp_path / "starts"
    body = (
        f"with open({str(counter)!r}, 'a') as file: file.write('x')\n"
        f"state(phase='training', step=len(open({str(counter)!r}).read()), total_steps=9)\n"
        "signal.signal(signal.SIGTERM, lambda *a: sys.exit(3))\ntime.sleep(60)\n"
    )
    work(run, [*stand_in(tmp_path, body), str(run.folder)])
    assert run.status == Status.FAILED
    assert "silent for" in run.error
    assert len(counter.read_text()) == run_job.MAX_STARTS


def test_the_trainer_sees_no_secret(run, tiny_base, tmp_path, monkeypatch):
    for name in ("DATABASE_URL", "ATELIER_SECRET_KEY", "SECRET_KEY", "MISTRAL_API_KEY", "REDIS_URL", "HF_TOKEN"):
        monkeypatch.setenv(name, "canary-" + name)
    work(run, [*stand_in(tmp_path, "print(sorted(os.environ.items()))\nsys.exit(1)\n"), str(run.folder)])
    assert "PATH" in (run.folder / "train.log").read_text()
    assert "canary" not in (run.folder / "train.log").read_text()


STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
(folder / f"pid-{os.getpid()}").touch()
state(phase="training", step=1, total_steps=9)
time.sleep(120)
"""


def pids(folder: Path) -> list[int]:
    return [int(path.name[4:]) for path in folder.glob("pid-*")]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + patient(seconds)
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_cancel_ends_a_stubborn_tree_within_ten_seconds(run, tiny_base, tmp_path):
    def worker() -> None:
        work(Run.objects.get(pk=run.pk), [*stand_in(tmp_path, STUBBORN), str(run.folder)])
        connection.close()

    thread = threading.Thread(target=worker)
    thread.start()
    wait_for(lambda: len(pids(run.folder)) == 2)
    began = time.monotonic()
    Run.objects.get(pk=run.pk).cancel()
    thread.join(60)
    assert time.monotonic() - began < patient(10)
    run.refresh_from_db()
    assert run.status == Status.CANCELLED
    assert not any(alive(pid) for pid in pids(run.folder))


SLOW_TO_SAVE = """
def save(number, frame):
    time.sleep(8)
    (folder / "saved").touch()
    sys.exit(3)
signal.signal(signal.SIGTERM, save)
(folder / f"pid-{os.getpid()}").touch()
state(phase="training", step=1, total_steps=9)
time.sleep(120)
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("wish", "is_saved"), [("pause", True), ("cancel", False)])
def test_a_pause_waits_for_a_slow_save_and_a_cancellation_does_not(run, tiny_base, tmp_path, wish, is_saved):
    def worker() -> None:
        work(Run.objects.get(pk=run.pk), [*stand_in(tmp_path, SLOW_TO_SAVE), str(run.folder)])
        connection.close()

    thread = threading.Thread(target=worker)
    thread.start()
    wait_for(lambda: pids(run.folder))
    getattr(Run.objects.get(pk=run.pk), wish)()
    thread.join(60)
    assert (run.folder / "saved").exists() == is_saved
    assert not any(alive(pid) for pid in pids(run.folder))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_stop_and_save_keeps_the_adapter(version, bob, tiny_base):
    run = control.start(version, SLUG, control.recipe_for(SLUG, {**QUICK, "max_steps": 5000, "save_every": 100}), bob)

    def worker() -> None:
        claims.execute(Run, run.pk, run_job.train)
        connection.close()

    thread = threading.Thread(target=worker)
    thread.start()
    wait_for(lambda: Run.objects.get(pk=run.pk).done > 0, 180)
    assert run.stop()
    thread.join(120)
    run.refresh_from_db()
    assert run.status == Status.DONE, run.error
    assert "stopped early" in run.line
    assert run.adapter.path.is_dir()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_paused_run_goes_on_from_its_checkpoint(version, bob, tiny_base):
    run = control.start(
        version, SLUG, control.recipe_for(SLUG, {**QUICK, "max_steps": 60, "save_every": 10, "eval_every": 100}), bob
    )

    def worker() -> None:
        claims.execute(Run, run.pk, run_job.train)
        connection.close()

    thread = threading.Thread(target=worker)
    thread.start()
    wait_for(lambda: Run.objects.get(pk=run.pk).done > 0, 180)
    Run.objects.get(pk=run.pk).pause()
    thread.join(120)
    run.refresh_from_db()
    assert run.status == Status.PAUSED
    stopped_at = max(row["step"] for row in metrics.run_folder.metrics(run.folder))
    assert run.resume()
    work(run)
    assert run.status == Status.DONE, run.error
    assert run.summary["resumed_from"] == stopped_at
    assert [row["step"] for row in metrics.run_folder.metrics(run.folder)] == list(range(1, 61))


def test_checkpoints_of_other_files_of_the_base_are_not_resumed(run, tiny_base):
    run_job.prepare(run)
    order = json.loads((run.folder / "recipe.json").read_text())
    order["provenance"]["base_digest"] = "0" * 64
    (run.folder / "recipe.json").write_text(json.dumps(order))
    checkpoint = run.folder / "checkpoints" / "step-000004"
    checkpoint.mkdir(parents=True)
    with pytest.raises(claims.JobFailed, match=r"were replaced since Run 1.* saved its checkpoints"):
        run_job.prepare(run)
    checkpoint.rmdir()
    run_job.prepare(run)


@pytest.mark.slow
def test_what_an_earlier_worker_left_is_ended_before_the_next_start(tmp_path):
    command = stand_in(tmp_path, STUBBORN)
    first = child.GuardedProcess([*command, str(tmp_path)], tmp_path / "train.log")
    first.start()
    wait_for(lambda: len(pids(tmp_path)) == 2)
    os.kill(first.process.pid, signal.SIGSTOP)  # a guard that cannot clean up
    second = child.GuardedProcess([sys.executable, "-c", "pass"], tmp_path / "train.log")
    second.start()
    second.end()
    first.process.wait(60)
    assert not any(alive(pid) for pid in pids(tmp_path))


def test_a_pid_that_is_somebody_else_by_now_is_left_alone(tmp_path):
    identity = tmp_path / "train.pid"
    identity.write_text(json.dumps({"pid": os.getpid(), "began": "1", "machine": child.machine()}))
    assert not child.end_left_over(identity)


@pytest.mark.slow
def test_a_dead_worker_takes_the_trainer_with_it(tmp_path):
    """The pipe to the guard closes with the worker, however it ends."""
    command = [*stand_in(tmp_path, STUBBORN), str(tmp_path)]
    worker = (
        "import os, sys, time\nfrom pathlib import Path\nfrom atelier.processes.child import GuardedProcess\n"
        f"child = GuardedProcess({command!r}, Path({str(tmp_path / 'train.log')!r}))\nchild.start()\ntime.sleep(120)\n"
    )
    import subprocess

    process = subprocess.Popen([sys.executable, "-c", worker])
    wait_for(lambda: len(pids(tmp_path)) == 2)
    process.kill()
    process.wait()
    wait_for(lambda: not any(alive(pid) for pid in pids(tmp_path)), 10)


def test_thinning_keeps_ends_and_peaks():
    points = [(float(n), 0.0) for n in range(10_000)]
    points[4321] = (4321.0, 9.0)
    thin = metrics.thinned(points)
    assert len(thin) == metrics.LIMIT
    assert thin[0] == points[0]
    assert thin[-1] == points[-1]
    assert (4321.0, 9.0) in thin


def test_the_tail_reads_only_whole_lines_and_notices_a_resumption(tmp_path):
    tail, path = metrics.Tail(tmp_path), tmp_path / "metrics.jsonl"
    row = {"step": 1, "loss": 2.0, "eval_loss": None, "seconds": 1.0}
    path.write_text(json.dumps(row) + "\n" + '{"step": 2, "lo')
    tail.look()
    assert tail.last["step"] == 1
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | {"step": 2, "eval_loss": 1.5, "seconds": 3.0}) + "\n")
    tail.look()
    assert (tail.last["step"], tail.eval_loss, tail.median_step) == (2, 1.5, 1.5)
