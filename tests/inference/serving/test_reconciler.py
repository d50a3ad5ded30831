"""The model server's loop, against a process that speaks vLLM's HTTP; one slow test with vLLM itself."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from atelier.accounts.models import Project
from inference import endpoints
from inference.models import Deployment, Endpoint
from inference.serving import deployments, reconciler
from inference.vllm import Server, Spec
from tests.inference.models_fixtures import SLUG, adapter, base_on_disk, make_adapter  # noqa: F401
from tests.speed import patient
from training import manifest
from training.bases import offers
from training.recipe.fields import Recipe

pytestmark = pytest.mark.django_db
STAND_IN = Path(__file__).parent.parent.parent / "fakes" / "vllm_server.py"


@pytest.fixture
def stand_in(monkeypatch):
    """Start the stand-in instead of vLLM's process; all else is as with vLLM."""
    from inference.vllm import process

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
    running = reconciler.Reconciler(say=lambda words: None)
    yield running
    running.stop()


def until(loop: reconciler.Reconciler, condition, seconds: float = 30, **which: int) -> Deployment:
    """Tick until the deployment fulfils the condition."""
    deadline = time.monotonic() + patient(seconds)
    while True:
        loop.tick()
        row = Deployment.objects.get(**which)
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
    assert sorted(loop.bases[SLUG].server.models()) == [adapter.served_name, SLUG]


def test_adapters_come_and_go_without_a_restart(project, adapter, control, loop):  # noqa: F811
    deployments.deploy(project, SLUG, [adapter])
    row = until(loop, lambda row: row.loaded)
    other = make_adapter(project)
    deployments.deploy(project, SLUG, [other])
    until(loop, lambda row: len(row.loaded) == 2)
    deployments.remove_adapter(row, adapter)
    until(loop, lambda row: row.loaded == [other.served_name])
    until(loop, lambda row: loop.bases[SLUG].server.models() == [SLUG, other.served_name])
    assert len(starts(control)) == 1


def test_a_larger_rank_restarts_a_model_that_is_quiet_with_room_for_it(project, adapter, control, loop):  # noqa: F811
    deployments.deploy(project, SLUG, [adapter])
    until(loop, lambda row: row.loaded)
    largest = next(field.metadata["max"] for field in fields(Recipe) if field.name == "rank")
    deployments.deploy(project, SLUG, [make_adapter(project, rank=largest)])
    until(loop, lambda row: len(row.loaded) == 2)
    ranks = [json.loads(path.read_text())["rank"] for path in control.glob("start-*")]
    assert sorted(ranks) == [16, largest]


def test_a_strangers_larger_adapter_waits_while_others_are_answered(project, adapter, control, loop, charlie):  # noqa: F811
    deployments.deploy(project, SLUG, [adapter])
    until(loop, lambda row: row.loaded)
    (control / "busy").touch()
    strange = Project.objects.create(team=charlie.memberships.get().team, name="Strange", created_by=charlie)
    theirs = deployments.deploy(strange, SLUG, [make_adapter(strange, rank=64)])
    row = until(loop, lambda row: "once it has been idle for 10 seconds" in row.message, pk=theirs.pk)
    for _ in range(40):
        loop.tick()
        time.sleep(0.05)
    assert len(starts(control)) == 1
    ours = Deployment.objects.get(project=project)
    assert (ours.state, ours.loaded, ours.message) == ("ready", [adapter.served_name], "")
    assert row.state == "ready"
    (control / "busy").unlink()
    until(loop, lambda row: row.loaded, pk=theirs.pk)
    assert len(starts(control)) == 2


def test_an_adapter_beyond_that_is_refused_when_it_is_deployed(project, base_on_disk):  # noqa: F811
    with pytest.raises(ValidationError, match="rank 65; adapters up to rank 64"):
        deployments.deploy(project, SLUG, [make_adapter(project, rank=65)])


def replace_base(folder: Path) -> None:
    (folder / "config.json").write_text('{"other": 1}')
    manifest.write(folder, slug=SLUG, revision="r2")


def test_an_adapter_of_other_files_is_not_loaded_and_says_why(project, adapter, control, loop):  # noqa: F811
    adapter.run.facts = {"base_digest": offers.digest(SLUG), "base_revision": "r1"}
    adapter.run.save()
    deployments.deploy(project, SLUG, [adapter])
    until(loop, lambda row: row.loaded)
    replace_base(control.parent / SLUG)
    row = until(loop, lambda row: row.state == "ready" and "other files" in row.message and not row.loaded)
    assert str(adapter) in row.message
    assert len(starts(control)) == 2, "the process had the old weights"
    assert loop.bases[SLUG].server.models() == [SLUG]


def test_taking_down_ends_the_process(project, base_on_disk, control, loop):  # noqa: F811
    row = deployments.deploy(project, SLUG)
    until(loop, lambda row: row.state == "ready")
    (pid,) = starts(control)
    deployments.stop(row)
    row = until(loop, lambda row: row.state == "down")
    assert row.url == ""
    until(loop, lambda row: not loop.bases)
    assert not Path(f"/proc/{pid}").exists()


def test_a_failure_has_the_servers_words_and_a_new_wish_tries_at_once(project, base_on_disk, control, loop):  # noqa: F811
    (control / "fail").write_text("No room for the cache")
    deployments.deploy(project, SLUG)
    row = until(loop, lambda row: row.state == "failed")
    assert "No room for the cache" in row.message
    assert "Next try in 5 seconds" in row.message
    (control / "fail").unlink()
    deployments.deploy(project, SLUG)
    until(loop, lambda row: row.state == "ready", 4)


def test_what_crashes_is_started_again(project, adapter, control, loop, monkeypatch):  # noqa: F811
    monkeypatch.setattr("inference.serving.served_base.RETRY_SECONDS", (0.2,))
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
    deployments.stop(row)
    began = time.monotonic()
    until(loop, lambda row: row.state in ("stopping", "down"), 2)
    assert time.monotonic() - began < patient(2)


def test_two_projects_share_one_process(project, team, adapter, control, loop):  # noqa: F811
    other = team.projects.create(name="Other")
    deployments.deploy(project, SLUG, [adapter])
    theirs = deployments.deploy(other, SLUG)
    deadline = time.monotonic() + patient(20)
    while Deployment.objects.filter(state="ready").count() < 2:
        loop.tick()
        assert time.monotonic() < deadline
    deployments.stop(Deployment.objects.get(project=project))
    loop.tick()
    theirs.refresh_from_db()
    assert theirs.state == "ready"
    assert len(starts(control)) == 1


def test_stopping_ends_everything_and_says_so(project, base_on_disk, control, stand_in):  # noqa: F811
    running = reconciler.Reconciler(say=lambda words: None)
    deployments.deploy(project, SLUG)
    until(running, lambda row: row.state == "ready")
    running.stop()
    row = Deployment.objects.get()
    assert (row.state, row.url) == ("waiting", "")
    assert not Path(f"/proc/{starts(control)[0]}").exists()


def test_a_strangers_endpoint_gets_nothing_from_another_team_s_engine(
    project,
    adapter,  # noqa: F811
    control,
    loop,
    charlie,
    settings,
):
    deployments.deploy(project, SLUG, [adapter])
    row = until(loop, lambda row: row.loaded)
    ours = row.endpoints.get(adapter=adapter)
    assert endpoints.try_out(ours).text == f"I am {adapter.served_name}"
    theirs = Project.objects.create(team=charlie.memberships.get().team, name="Strange", created_by=charlie)
    asking = Endpoint(project=theirs, name="x", kind="openai", url=row.url, model=adapter.served_name)
    # Even where the operator opened every port: the engine itself wants its key.
    assert "answered 401" in endpoints.try_out(asking).text
    settings.PRIVATE_HOSTS = ()
    assert "private network" in endpoints.try_out(asking).text


def test_each_process_has_a_key_of_its_own_that_nobody_is_shown(project, adapter, control, loop, as_bob, bob_api):  # noqa: F811
    deployments.deploy(project, SLUG, [adapter])
    row = until(loop, lambda row: row.loaded)
    key = row.key
    assert len(key) > 40
    assert key not in row.sealed_key
    assert json.loads(next(control.glob("start-*")).read_text())["env"]["VLLM_API_KEY"] == key
    arguments = Path(f"/proc/{starts(control)[0]}/cmdline").read_text()
    assert key not in arguments
    shown = (
        as_bob.get(f"/projects/{project.pk}/models/").content
        + bob_api.get(f"/api/projects/{project.pk}/deployments").content
    )
    assert key not in shown.decode() + row.message + (loop.bases[SLUG].server.log_path).read_text()
    assert row.sealed_key not in shown.decode()
    assert key not in repr(loop.bases[SLUG].server.spec)
    deployments.stop(row)
    row = until(loop, lambda row: row.state == "down")
    assert row.sealed_key == ""
    deployments.deploy(project, SLUG)
    assert until(loop, lambda row: row.state == "ready").key != key


def test_a_killed_process_is_told_as_that_without_a_line_of_before(project, adapter, control, loop):  # noqa: F811
    (control / "refuse").write_text(adapter.served_name)
    (control / "say").write_text(f"ERROR 11-21 06:24:11 [x.py:1] ValueError: No adapter found for {adapter.path}")
    deployments.deploy(project, SLUG, [adapter])
    until(loop, lambda row: "refused" in row.message)
    os.kill(starts(control)[0], signal.SIGKILL)
    row = until(loop, lambda row: row.state == "failed")
    assert row.message.startswith("vLLM was ended by signal 9: it was killed by hand, or by the system")
    assert "No adapter" not in row.message


def test_no_path_of_this_machine_is_in_what_viewers_read(project, adapter, control, loop, settings):  # noqa: F811
    (control / "fail").write_text(f"{settings.MODELS_DIR}/{SLUG} and /srv/somewhere/else/weights.bin are broken")
    deployments.deploy(project, SLUG, [adapter])
    row = until(loop, lambda row: row.state == "failed")
    assert f"RuntimeError: …/{SLUG} and" in row.message
    assert str(settings.DATA_DIR) not in row.message
    assert "/srv" not in row.message


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
        "import sys, time\nfrom pathlib import Path\nfrom atelier.processes.supervisor import only_one\n"
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
    assert "is already running with this data folder" in second.stderr


@pytest.mark.slow
def test_vllm_itself_serves_a_tiny_base(project, settings, tmp_path_factory):
    from tests.fakes import tiny_model

    tiny_model.ensure(Path(settings.MODELS_DIR) / SLUG)
    running = reconciler.Reconciler(say=lambda words: None, make=ShortContextServer)
    deployments.deploy(project, SLUG)
    try:
        row = until(running, lambda row: row.state in ("ready", "failed"), 300)
        assert row.state == "ready", row.message
        assert running.bases[SLUG].server.models() == [SLUG]
        assert row.seen_at <= timezone.now()
    finally:
        running.stop()


class ShortContextServer(Server):
    """A vLLM server with a context length that the tiny model has."""

    def __init__(self, spec: Spec, log_path: Path) -> None:
        from dataclasses import replace

        super().__init__(replace(spec, flags=("--max-model-len", "256")), log_path)
