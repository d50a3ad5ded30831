"""The model server's loop, against a process that speaks vLLM's HTTP; one slow test with vLLM itself."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.utils import timezone

from inference import deployments, server
from inference.models import Deployment
from inference.serving import Server, Spec
from tests.inference.models_fixtures import SLUG, adapter, base_on_disk, make_adapter  # noqa: F401

pytestmark = pytest.mark.django_db
STAND_IN = Path(__file__).parent.parent / "fakes" / "vllm_server.py"


@pytest.fixture
def stand_in(monkeypatch):
    """The process started is the stand-in; all else is as with vLLM."""
    from inference.serving import server as process

    def command(spec: Spec) -> list[str]:
        argv = ["--port", str(spec.port), "--model", str(spec.base_dir), "--served-model-name", spec.served_name]
        return [sys.executable, str(STAND_IN), *argv, "--max-lora-rank", str(spec.max_lora_rank)]

    monkeypatch.setattr(process, "command", command)


@pytest.fixture
def control(base_on_disk) -> Path:  # noqa: F811
    folder = base_on_disk.parent / "control"
    folder.mkdir()
    return folder


@pytest.fixture
def loop(stand_in):
    running = server.ModelServer(say=lambda words: None)
    yield running
    running.stop()


def until(loop: server.ModelServer, condition, seconds: float = 30) -> Deployment:
    """Tick until the deployment fulfils the condition."""
    deadline = time.monotonic() + seconds
    while True:
        loop.tick()
        row = Deployment.objects.get()
        if condition(row):
            return row
        assert time.monotonic() < deadline, f"still {row.state}: {row.message}"
        time.sleep(0.05)


def starts(control: Path) -> list[int]:
    return sorted(int(path.name[6:]) for path in control.glob("start-*"))


def test_a_wish_becomes_a_process_with_its_adapter(project, adapter, control, loop):  # noqa: F811
    deployments.deploy(project, SLUG, [adapter])
    row = until(loop, lambda row: row.loaded)
    assert row.state == "ready"
    assert row.loaded == [adapter.served_name]
    assert row.url.startswith("http://127.0.0.1:")
    assert all(endpoint.is_ready for endpoint in row.endpoints.all())
    assert sorted(loop.keepers[SLUG].server.models()) == [adapter.served_name, SLUG]


def test_adapters_come_and_go_without_a_restart(project, adapter, control, loop):  # noqa: F811
    deployments.deploy(project, SLUG, [adapter])
    row = until(loop, lambda row: row.loaded)
    other = make_adapter(project)
    deployments.deploy(project, SLUG, [other])
    until(loop, lambda row: len(row.loaded) == 2)
    deployments.take_down_adapter(row, adapter)
    until(loop, lambda row: row.loaded == [other.served_name])
    until(loop, lambda row: loop.keepers[SLUG].server.models() == [SLUG, other.served_name])
    assert len(starts(control)) == 1


def test_a_larger_rank_restarts_with_room_for_it(project, adapter, control, loop):  # noqa: F811
    deployments.deploy(project, SLUG, [adapter])
    until(loop, lambda row: row.loaded)
    deployments.deploy(project, SLUG, [make_adapter(project, rank=64)])
    until(loop, lambda row: len(row.loaded) == 2)
    ranks = [json.loads(path.read_text())["rank"] for path in control.glob("start-*")]
    assert sorted(ranks) == [16, 64]


def test_taking_down_ends_the_process(project, base_on_disk, control, loop):  # noqa: F811
    row = deployments.deploy(project, SLUG)
    until(loop, lambda row: row.state == "ready")
    (pid,) = starts(control)
    deployments.take_down(row)
    row = until(loop, lambda row: row.state == "down")
    assert row.url == ""
    until(loop, lambda row: not loop.keepers)
    assert not Path(f"/proc/{pid}").exists()


def test_a_failure_has_the_servers_words_and_a_new_wish_tries_at_once(project, base_on_disk, control, loop):  # noqa: F811
    (control / "fail").write_text("No room for the cache")
    deployments.deploy(project, SLUG)
    row = until(loop, lambda row: row.state == "failed")
    assert "No room for the cache" in row.message
    assert "tried again after 5 seconds" in row.message
    (control / "fail").unlink()
    deployments.deploy(project, SLUG)
    until(loop, lambda row: row.state == "ready", 4)


def test_what_crashes_is_started_again(project, adapter, control, loop, monkeypatch):  # noqa: F811
    monkeypatch.setattr("inference.keeper.RETRY_SECONDS", (0.2,))
    deployments.deploy(project, SLUG, [adapter])
    until(loop, lambda row: row.loaded)
    os.kill(starts(control)[0], signal.SIGKILL)
    until(loop, lambda row: row.state == "failed")
    until(loop, lambda row: row.loaded)
    assert len(starts(control)) == 2


def test_a_refused_adapter_says_why_and_leaves_the_base_ready(project, adapter, control, loop):  # noqa: F811
    (control / "refuse").write_text(adapter.served_name)
    deployments.deploy(project, SLUG, [adapter])
    row = until(loop, lambda row: "refused" in row.message)
    assert row.state == "ready"
    assert "greater than max_lora_rank 16" in row.message
    assert [endpoint.is_ready for endpoint in row.endpoints.order_by("pk")] == [True, False]


def test_a_change_is_seen_within_two_seconds_while_another_starts(project, base_on_disk, control, loop):  # noqa: F811
    (control / "slow").write_text("30")
    row = deployments.deploy(project, SLUG)
    began = time.monotonic()
    until(loop, lambda row: row.state == "starting", 2)
    until(loop, lambda row: "Loading the weights" in row.message, 10)
    deployments.take_down(row)
    began = time.monotonic()
    until(loop, lambda row: row.state in ("stopping", "down"), 2)
    assert time.monotonic() - began < 2


def test_two_projects_share_one_process(project, team, adapter, control, loop):  # noqa: F811
    other = team.projects.create(name="Other")
    deployments.deploy(project, SLUG, [adapter])
    theirs = deployments.deploy(other, SLUG)
    deadline = time.monotonic() + 20
    while Deployment.objects.filter(state="ready").count() < 2:
        loop.tick()
        assert time.monotonic() < deadline
    deployments.take_down(Deployment.objects.get(project=project))
    loop.tick()
    theirs.refresh_from_db()
    assert theirs.state == "ready"
    assert len(starts(control)) == 1


def test_stopping_ends_everything_and_says_so(project, base_on_disk, control, stand_in):  # noqa: F811
    running = server.ModelServer(say=lambda words: None)
    deployments.deploy(project, SLUG)
    until(running, lambda row: row.state == "ready")
    running.stop()
    row = Deployment.objects.get()
    assert (row.state, row.url) == ("waiting", "")
    assert not Path(f"/proc/{starts(control)[0]}").exists()


def test_the_process_sees_no_secret(project, base_on_disk, control, loop, monkeypatch):  # noqa: F811
    monkeypatch.setenv("DATABASE_URL", "postgres://canary")
    monkeypatch.setenv("MISTRAL_API_KEY", "canary")
    deployments.deploy(project, SLUG)
    until(loop, lambda row: row.state == "ready")
    assert "canary" not in next(control.glob("start-*")).read_text()


@pytest.mark.slow
def test_a_second_server_with_the_same_folder_is_refused(tmp_path):
    environment = {**os.environ, "ATELIER_DATA": str(tmp_path / "data")}
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom atelier.processes import only_one\n"
        "folder = Path(sys.argv[1]); folder.mkdir(exist_ok=True)\n"
        "with only_one(folder / 'serve.lock'):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "data")], stdout=subprocess.PIPE, env=environment
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        second = subprocess.run(
            [sys.executable, "manage.py", "serve_models"], capture_output=True, text=True, env=environment, timeout=60
        )
    finally:
        holder.kill()
        holder.wait()
    assert second.returncode == 1
    assert "runs with this data folder already" in second.stderr


@pytest.mark.slow
def test_vllm_itself_serves_a_tiny_base(project, settings, tmp_path_factory):
    from tests.fakes import tiny_model

    tiny_model.ensure(Path(settings.MODELS_DIR) / SLUG)
    running = server.ModelServer(say=lambda words: None, make=Short)
    deployments.deploy(project, SLUG)
    try:
        row = until(running, lambda row: row.state in ("ready", "failed"), 300)
        assert row.state == "ready", row.message
        assert running.keepers[SLUG].server.models() == [SLUG]
        assert row.seen_at <= timezone.now()
    finally:
        running.stop()


class Short(Server):
    """vLLM with a context that the tiny model has."""

    def __init__(self, spec: Spec, log_path: Path) -> None:
        from dataclasses import replace

        super().__init__(replace(spec, flags=("--max-model-len", "256")), log_path)
