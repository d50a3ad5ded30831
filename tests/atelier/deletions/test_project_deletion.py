"""Deleting a project: hidden at once, gone in parts with its files, and a kill in between loses nothing but time."""

import threading
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import connection
from django.urls import reverse

from atelier import registry
from atelier.accounts.models import Project, Team
from atelier.deletions import projects, tasks
from atelier.deletions.models import ProjectDeletion
from atelier.jobs import clearing
from atelier.jobs.claims import Claim
from curation.models import Import, Record, Version
from curation.versions import files as version_files
from curation.versions import freezes
from curation.versions import job as freeze_job
from inference.models import Deployment
from tests.atelier.deletions.furnished import files, furnish, rows
from tests.curation.teacher import conversations
from tests.speed import patient


@pytest.fixture
def large(monkeypatch) -> None:
    """Make a few rows count as many, deleted four at a time."""
    monkeypatch.setattr(projects, "INLINE", 5)
    monkeypatch.setattr(clearing, "BATCH", 4)
    monkeypatch.setattr(clearing, "LEAST", 4)
    monkeypatch.setattr(clearing, "paced", lambda size, seconds, longest: 4)


def done(job: ProjectDeletion) -> ProjectDeletion:
    tasks.delete_project(job.pk)
    job.refresh_from_db()
    return job


@pytest.mark.django_db
def test_all_of_a_project_goes_with_its_files_and_nothing_of_another(team, alice):
    other = Project.objects.create(team=team, name="Other")
    kept = furnish(other, alice)
    rows_before, files_before = rows(), files()
    project = Project.objects.create(team=team, name="Goes")
    same = furnish(project, alice)
    assert same.content_hash == kept.content_hash  # so that the files of both are the same
    assert len(files()) > len(files_before)
    job = done(projects.begin(project, alice))
    assert (job.status, job.project, job.error) == ("done", None, "")
    assert job.done >= job.total > 30
    after = rows()
    assert after.pop("deletions.ProjectDeletion") == {job.pk}
    rows_before.pop("deletions.ProjectDeletion")
    assert after == rows_before
    assert files() == files_before
    assert version_files.verify(kept) == []


@pytest.mark.django_db
def test_it_is_hidden_at_once_and_its_name_is_free(project, alice, as_alice, bob_api, team):
    version = furnish(project, alice)
    job = projects.begin(project, alice)
    assert (job.title, job.status) == ("Delete Briefs", "queued")
    for name in ("project", "project_settings", "curation:data", "curation:versions"):
        assert as_alice.get(reverse(name, args=[project.pk])).status_code == 404
    assert as_alice.get(reverse("curation:version", args=[project.pk, version.pk])).status_code == 404
    assert bob_api.get(f"/api/projects/{project.pk}/versions/{version.pk}").status_code == 404
    assert bob_api.get("/api/projects").json() == []
    assert "Briefs" not in as_alice.get("/?all").content.decode()
    assert Project.objects.create(team=team, name="Briefs").pk != project.pk
    assert projects.begin(project, alice) == job
    assert not Deployment.objects.filter(wanted="up").exists()
    assert not project.webhooks.filter(is_active=True).exists()


@pytest.mark.django_db
def test_a_second_click_after_the_end_is_told_that_it_is_gone(project, alice, as_alice):
    late = Project.objects.get(pk=project.pk)
    done(projects.begin(project, alice))
    with pytest.raises(ValidationError, match="is already deleted"):
        projects.begin(late, alice)


def test_a_killed_deletion_goes_on_where_it_was(project, alice, large, monkeypatch):
    furnish(project, alice)
    job, calls = projects.begin(project, alice), []

    def dying(size: int, seconds: float, longest: float) -> int:
        calls.append(1)
        if len(calls) == 12:
            raise MemoryError
        return 4

    monkeypatch.setattr(clearing, "paced", dying)
    assert done(job).status == "failed"
    assert 0 < job.done < job.total
    monkeypatch.setattr(clearing, "paced", lambda size, seconds, longest: 4)
    assert job.enqueue()
    assert done(job).status == "done"
    assert not Project._base_manager.filter(pk=project.pk).exists()
    assert files() == []


@pytest.mark.django_db
def test_one_killed_after_its_last_step_ends_well(project, alice):
    job = projects.begin(project, alice)
    Project._base_manager.get(pk=project.pk).delete()
    assert done(job).line == "Briefs was deleted, with 0 rows."


@pytest.mark.django_db
def test_while_work_goes_on_it_stays_and_keeps_its_name(project, alice, as_alice, api_of_alice):
    dataset = conversations(project, 2)
    job = Import.objects.create(project=project, dataset=dataset, status="running", original_name="rows.csv")
    with pytest.raises(ValidationError, match=r"Import rows.csv is still running. Cancel it"):
        projects.begin(project, alice)
    answer = as_alice.post(reverse("delete_project", args=[project.pk]), {"name": "Briefs"})
    assert "Cancel it" in answer.content.decode()
    assert api_of_alice.delete(f"/api/projects/{project.pk}").status_code == 422
    assert Project.objects.get().name == "Briefs"
    job.cancel()
    assert not ProjectDeletion.objects.exists()


@pytest.mark.django_db
def test_what_a_late_request_started_is_ended_first(project, alice):
    dataset = conversations(project, 2)
    job = projects.begin(project, alice)
    late = Import.objects.create(project=project, dataset=dataset, status="queued")
    assert done(job).status == "done"
    assert not Import.objects.filter(pk=late.pk).exists()


@pytest.mark.django_db
def test_a_freeze_whose_file_went_with_another_project_says_so(project, alice, team):
    """It found the file of the same content in storage, and the other project's end took that away just then."""
    other = furnish(Project.objects.create(team=team, name="Other"), alice)
    dataset = conversations(project, 12)
    version = freezes.create(dataset, alice, allow_leaks=True)
    real, freezing_files = freeze_job._finish, []

    def after_the_end(claim, kept, *rest) -> None:
        freezing_files.append(kept)
        done(projects.begin(other.project, alice))
        real(claim, kept, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(freeze_job, "_finish", after_the_end)
        from curation import tasks as curation_tasks

        curation_tasks.freeze(version.pk)
    version.refresh_from_db()
    assert version.status == "failed"
    assert "Retry" in version.error
    assert version.enqueue()
    curation_tasks.freeze(version.pk)
    version.refresh_from_db()
    assert (version.status, version_files.verify(version)) == ("done", [])


@pytest.mark.django_db
def test_a_large_one_goes_by_a_worker_with_a_page(project, team, alice, as_alice, as_vic, as_charlie, large):
    furnish(project, alice)
    answer = as_alice.post(reverse("delete_project", args=[project.pk]), {"name": "Briefs"}, follow=True)
    job = ProjectDeletion.objects.get()
    page = reverse("project_deletion", args=[team.pk, job.pk])
    assert answer.redirect_chain == [(page, 302)]
    assert "It cannot be stopped" in answer.content.decode()
    assert as_charlie.get(page).status_code == 404
    assert as_vic.get(page + "/progress").status_code == 200
    ProjectDeletion.objects.filter(pk=job.pk).update(status="failed")
    assert as_vic.post(page + "/retry").status_code == 403
    assert as_alice.post(page + "/retry").url == page
    done(job)
    assert as_vic.get(page + "/progress").status_code == 286
    assert "Briefs was deleted, with" in as_vic.get(page).content.decode()


@pytest.mark.django_db
def test_by_rest_it_is_accepted_and_then_asked_for(project, alice, api_of_alice, bob_api, large):
    furnish(project, alice)
    assert bob_api.delete(f"/api/projects/{project.pk}").status_code == 403
    answer = api_of_alice.delete(f"/api/projects/{project.pk}")
    told = answer.json()
    assert (answer.status_code, told["status"], told["name"]) == (202, "queued", "Briefs")
    assert api_of_alice.get(f"/api/projects/{project.pk}").status_code == 404
    tasks.delete_project(told["id"])
    assert bob_api.get(f"/api/deletions/{told['id']}").json()["status"] == "done"


@pytest.mark.django_db
def test_another_teams_deletion_is_nobodys_business(project, alice, charlie):
    from django.test import Client

    from atelier.accounts.models import APIKey

    job = projects.begin(project, alice)
    key = APIKey.issue(charlie.memberships.get().team, charlie, "k")[1]
    stranger = Client(headers={"Authorization": f"Bearer {key}"})
    assert stranger.get(f"/api/deletions/{job.pk}").status_code == 404


@pytest.mark.django_db
def test_the_reaper_knows_it_and_it_cannot_be_stopped(project, alice):
    assert ProjectDeletion in registry.job_models()
    job = projects.begin(project, alice)
    assert (job.cancel(), job.pause()) == (False, False)


def longest_wait(stop: threading.Event, waits: list[float]) -> None:
    """Write to another table again and again, as other people do; note how long each write took."""
    try:
        while not stop.is_set():
            started = time.monotonic()
            Team.objects.filter(pk=0).update(name="x")
            waits.append(time.monotonic() - started)
            time.sleep(0.02)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_others_write_while_a_project_goes(project, alice):
    furnish(project, alice, count=2000)
    assert Path(settings.DATA_DIR, "files").exists()
    job = projects.begin(project, alice)
    stop, waits = threading.Event(), []
    other = threading.Thread(target=longest_wait, args=(stop, waits))
    other.start()
    done(job)
    stop.set()
    other.join()
    assert job.status == "done"
    assert not Record.objects.exists()
    assert not Version.objects.exists()
    assert not default_storage.listdir("imports")[1]
    assert len(waits) > 10
    slow = [wait for wait in waits if wait > patient(0.1)]
    assert len(slow) <= len(waits) // 20, sorted(waits)[-5:]
    assert max(waits) < patient(2), "one transaction of the whole takes longer"


@pytest.mark.django_db
def test_batches_shrink_while_each_holds_the_database_for_long(project, alice):
    records = conversations(project, 100).records.all()
    job = projects.begin(Project.objects.create(team=project.team, name="Other"), alice)
    taken: list[int] = []

    def slowly(pks: list[int]) -> None:
        taken.append(len(pks))
        time.sleep(clearing.LONGEST)

    clearing.clear(Claim(ProjectDeletion.claim_row(job.pk, 60)), clearing.DeletionPart(records, before=slowly))
    assert taken == [50, 25, 25]
