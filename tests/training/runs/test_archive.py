"""The archive of runs and adapters, and the disk that they free."""

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from curation.versions import archive as version_archive
from inference.models import Deployment
from inference.serving import deployments
from tests.inference.models_fixtures import SLUG, adapter, base_on_disk, make_adapter  # noqa: F401
from training import manifest, rail, usage
from training.models import Adapter, Run
from training.runs import archive, job

pytestmark = pytest.mark.django_db


def with_files(run: Run) -> Run:
    """Give a run two checkpoints and the rows that it read."""
    for step in (2, 4):
        folder = run.folder / "checkpoints" / f"step-{step}"
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(b"w" * 100 * step)
        manifest.write(folder, step=step)
    (run.folder / "train.jsonl").write_text('{"id": "a"}\n')
    (run.folder / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n')
    return run


def test_an_archived_run_takes_its_adapter_along_and_both_return(project, adapter, as_bob, bob_api):  # noqa: F811
    run = adapter.run
    as_bob.post(reverse("training:archive_run", args=[project.pk, run.pk, "archive"]))
    runs, models = reverse("training:runs", args=[project.pk]), reverse("inference:models", args=[project.pk])
    assert "All runs are archived" in as_bob.get(runs).content.decode()
    assert reverse("training:run", args=[project.pk, run.pk]) in as_bob.get(runs + "?archived=1").content.decode()
    assert adapter.name not in as_bob.get(models).content.decode()
    assert bob_api.get(f"/api/projects/{project.pk}/adapters").json() == []
    assert len(bob_api.get(f"/api/projects/{project.pk}/adapters?archived=true").json()) == 1
    assert bob_api.get(f"/api/projects/{project.pk}/runs").json() == []
    with pytest.raises(ValidationError, match=r"is archived\. Restore it from the archive first, or deploy another"):
        deployments.deploy(project, SLUG, [Adapter.objects.get()])
    told = bob_api.post(f"/api/projects/{project.pk}/runs/{run.pk}/unarchive").json()
    assert told["archived_at"] is None
    assert deployments.deploy(project, SLUG, [Adapter.objects.get()]).pk


def test_a_deployed_adapter_is_not_archived(project, adapter):  # noqa: F811
    deployment = deployments.deploy(project, SLUG, [adapter])
    for refused in (lambda: archive.archive(adapter.run, None), lambda: archive.archive_adapter(adapter, None)):
        with pytest.raises(ValidationError, match=r"is deployed on SmolLM2 135M Instruct\. Remove it there"):
            refused()
    assert (Run.objects.get().archived_at, Adapter.objects.get().archived_at) == (None, None)
    deployments.stop(deployment)
    assert archive.archive_adapter(adapter, None)
    assert not Deployment.objects.get().adapters.exists()
    assert deployments.deploy(project, SLUG).wanted == "up"


def test_an_adapter_archived_as_it_is_deployed_is_refused(project, adapter):  # noqa: F811
    stale = Adapter.objects.get()
    archive.archive_adapter(adapter, None)
    with pytest.raises(ValidationError, match="is archived"):
        deployments.deploy(project, SLUG, [stale])


@pytest.mark.parametrize("status", ["queued", "running", "paused"])
def test_a_live_run_is_not_archived_nor_freed(project, adapter, status):  # noqa: F811
    Run.objects.update(status=status)
    run = Run.objects.get()
    with pytest.raises(ValidationError, match=f"Run 1 is {status}. Wait until it ends or cancel it"):
        archive.archive(run, None)
    with pytest.raises(ValidationError, match="needs its files"):
        archive.free(run, archive.CHECKPOINTS, None)


def test_an_archived_run_cannot_be_resumed(project, adapter, as_bob):  # noqa: F811
    run = adapter.run
    Run.objects.update(status="failed")
    archive.archive(Run.objects.get(), None)
    answer = as_bob.post(reverse("training:run_move", args=[project.pk, run.pk, "resume"]), follow=True)
    assert "Run 1 is archived. Restore it from the archive first." in answer.content.decode()
    assert Run.objects.get().status == "failed"


def test_checkpoints_go_and_what_they_were_stays(project, team, adapter, alice, bob_api):  # noqa: F811
    run = with_files(adapter.run)
    before = usage.runs(team)
    size = sum(size for _, size in archive.removable(run, archive.CHECKPOINTS))
    told = bob_api.delete(f"/api/projects/{project.pk}/runs/{run.pk}/files/checkpoints").json()
    assert (told["freed_bytes"], before - usage.runs(team)) == (size, size)
    (entry,) = told["freed"]
    hashes = {file["name"]: file["sha256"] for file in entry["files"]}
    assert (entry["by"], entry["bytes"], entry["part"]) == ("bob", size, "checkpoints")
    assert len(hashes["checkpoints/step-4/weights.safetensors"]) == 64
    assert not (run.folder / "checkpoints").exists()
    assert (run.folder / "adapter").is_dir()
    assert archive.free(run, archive.CHECKPOINTS, None) == 0
    assert len(Run.objects.get().freed) == 1


def test_all_files_of_an_archived_run_go_but_its_figures(project, adapter, as_bob):  # noqa: F811
    run = with_files(adapter.run)
    with pytest.raises(ValidationError, match="isn't archived"):
        archive.free(run, archive.ALL, None)
    archive.archive(run, None)
    page = as_bob.get(reverse("training:free_run", args=[project.pk, run.pk, "all"])).content.decode()
    assert "its recipe, figures, hashes and log are kept" in page
    as_bob.post(reverse("training:free_run", args=[project.pk, run.pk, "all"]))
    assert sorted(path.name for path in run.folder.iterdir()) == ["metrics.jsonl"]
    run = Run.objects.get()
    assert {file["name"].split("/")[0] for file in run.freed[0]["files"]} == {"checkpoints", "adapter", "train.jsonl"}
    assert Adapter.objects.get().digest == adapter.digest
    assert archive.unarchive(run, None)
    with pytest.raises(ValidationError, match="were removed from the disk"):
        archive.unarchive_adapter(Adapter.objects.get(), None)
    assert Adapter.objects.get().archived_at is not None
    assert as_bob.get(reverse("training:run", args=[project.pk, run.pk])).status_code == 200


def test_one_killed_after_the_account_removes_the_rest_next_time(project, adapter, monkeypatch):  # noqa: F811
    run = with_files(adapter.run)
    with monkeypatch.context() as patched:
        patched.setattr(archive.shutil, "rmtree", lambda path: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            archive.free(run, archive.CHECKPOINTS, None)
    assert len(Run.objects.get().freed) == 1
    assert archive.free(run, archive.CHECKPOINTS, None) > 0
    assert not (run.folder / "checkpoints").exists()
    assert len(Run.objects.get().freed) == 1


@pytest.mark.parametrize("who", ["as_vic", "as_ann"])
def test_below_an_editor_nobody_may(request, project, adapter, who):  # noqa: F811
    client = request.getfixturevalue(who)
    for name, args in (
        ("archive_run", [adapter.run_id, "archive"]),
        ("archive_adapter", [adapter.pk, "archive"]),
        ("free_run", [adapter.run_id, "checkpoints"]),
    ):
        assert client.post(reverse(f"training:{name}", args=[project.pk, *args])).status_code == 403
    assert Run.objects.get().archived_at is None


def test_a_version_that_a_run_waits_for_is_not_archived(project, adapter):  # noqa: F811
    Run.objects.update(status="queued")
    version = adapter.run.version
    with pytest.raises(ValidationError, match="Run 1 needs Rewrites v1"):
        version_archive.archive(version, None)
    Run.objects.update(status="failed")
    assert version_archive.archive(version, None)


def test_a_run_retried_on_an_archived_version_fails_with_a_sentence(project, adapter, base_on_disk):  # noqa: F811
    version_archive.archive(adapter.run.version, None)
    run = Run.objects.select_related("version__dataset").get()
    with pytest.raises(job.JobFailed, match=r"is archived\. Restore it from the archive first"):
        job.prepare(run)


def test_the_rail_names_no_archived_run(project, adapter):  # noqa: F811
    run = adapter.run
    assert rail.state(project).line.startswith(run.title)
    archive.archive(run, None)
    assert rail.state(project).count == 0
    assert run.title not in rail.state(project).line
