"""Deleting a dataset: hidden at once, gone in parts, and a kill in between loses nothing but time."""

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse

from atelier import registry
from atelier.jobs import clearing
from atelier.jobs.models import Status
from curation import bulk, tasks
from curation.datasets import deletion, settings
from curation.models import Change, Dataset, Deletion, Import, ImportIssue, Mark, Record, Tally
from curation.records import changes
from curation.search import counts as record_counts
from tests.curation.teacher import conversations

pytestmark = pytest.mark.django_db


@pytest.fixture
def briefs(project) -> Dataset:
    return conversations(project, 12, status="new")


@pytest.fixture
def large(monkeypatch) -> None:
    """Make a dozen records count as many, deleted four at a time."""
    monkeypatch.setattr(bulk, "INLINE", 5)
    monkeypatch.setattr(clearing, "BATCH", 4)
    monkeypatch.setattr(clearing, "LEAST", 4)
    monkeypatch.setattr(clearing, "paced", lambda size, seconds, longest: 4)


def done(job: Deletion) -> Deletion:
    tasks.delete_dataset(job.pk)
    job.refresh_from_db()
    return job


def test_a_dataset_that_is_being_deleted_is_nowhere_and_its_name_is_free(project, alice, briefs, as_alice):
    job = deletion.begin(briefs, alice)
    assert (job.title, job.total, job.status) == ("Delete Briefs", 12, Status.QUEUED)
    assert list(project.datasets.all()) == []
    assert record_counts.with_counts(project) == []
    assert (record_counts.to_review(project), record_counts.first_to_review(project)) == (0, None)
    assert as_alice.get(reverse("curation:dataset", args=[project.pk, briefs.pk])).status_code == 404
    record = briefs.records.first()
    assert as_alice.get(reverse("curation:record", args=[project.pk, briefs.pk, record.pk])).status_code == 404
    assert settings.create(project, alice, "Briefs").pk != briefs.pk
    assert deletion.begin(briefs, alice) == job
    assert job in registry.live_jobs(project)


def test_all_of_it_goes_and_nothing_of_another_dataset(project, alice, briefs):
    other = conversations(project, 3, name="Other")
    kept = default_storage.save("imports/rows.jsonl", ContentFile(b"{}"))
    job = Import.objects.create(project=project, dataset=briefs, file=kept, status="done")
    ImportIssue.objects.create(parent=job, line=1, outcome="failed", code="x", message="No.", raw="")
    changes.review(briefs.records.first(), alice, "accept")
    found = done(deletion.begin(briefs, alice))
    assert (found.status, found.line) == ("done", "Briefs was deleted, with 12 records.")
    assert (found.dataset, found.done, found.total) == (None, 12, 12)
    assert list(Dataset._base_manager.all()) == [other]
    assert set(Record.objects.values_list("dataset")) == {(other.pk,)}
    assert not Import.objects.exists()
    assert not Change.objects.exists()
    assert not Mark.objects.exclude(dataset=other).exists()
    assert not Tally.objects.exclude(dataset=other).exists()
    assert not default_storage.exists(kept)


def test_a_killed_deletion_goes_on_where_it_was(alice, briefs, large, monkeypatch):
    job, whole, calls = deletion.begin(briefs, alice), clearing.paced, []

    def dying(size: int, seconds: float, longest: float) -> int:
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError
        return 4

    monkeypatch.setattr(clearing, "paced", dying)
    assert (done(job).status, job.done, briefs.records.count()) == ("failed", 8, 4)
    monkeypatch.setattr(clearing, "paced", whole)
    assert job.enqueue()
    assert (done(job).status, job.done, job.total) == ("done", 12, 12)
    assert not Dataset._base_manager.exists()


def test_one_killed_after_its_last_step_ends_well(alice, briefs):
    job = deletion.begin(briefs, alice)
    Deletion.objects.filter(pk=job.pk).update(done=12)
    Dataset._base_manager.get().delete()
    assert done(job).line == "Briefs was deleted, with 12 records."


def test_it_cannot_be_stopped(alice, briefs):
    job = deletion.begin(briefs, alice)
    assert (job.cancel(), job.pause()) == (False, False)
    assert done(job).status == "done"


def test_what_a_job_works_on_stays_and_keeps_its_name(project, alice, briefs):
    Import.objects.create(project=project, dataset=briefs, status="running")
    with pytest.raises(ValidationError, match="A job is using this dataset"):
        deletion.begin(briefs, alice)
    assert project.datasets.get().name == "Briefs"
    assert not Deletion.objects.exists()


def test_the_longest_name_can_be_put_aside(project, alice):
    first = conversations(project, 1, name="x" * settings.NAME_LENGTH)
    deletion.begin(first, alice)
    deletion.begin(conversations(project, 1, name="x" * settings.NAME_LENGTH), alice)
    assert Dataset._base_manager.count() == 2


def test_many_records_go_by_a_worker_with_a_page(project, briefs, as_bob, as_vic, large):
    answer = as_bob.post(reverse("curation:delete_dataset", args=[project.pk, briefs.pk]), follow=True)
    job = Deletion.objects.get()
    page = reverse("curation:deletion", args=[project.pk, job.pk])
    assert answer.redirect_chain == [(page, 302)]
    assert "It cannot be stopped" in answer.content.decode()
    assert as_bob.get(page + "/progress").status_code == 200
    done(job)
    assert as_vic.get(page + "/progress").status_code == 286
    assert "Briefs was deleted, with 12 records." in as_vic.get(page).content.decode()
    assert "Nothing is running" in as_vic.get(reverse("running", args=[project.pk])).content.decode()


def test_one_that_failed_is_taken_up_again(project, briefs, as_bob, as_ann, large):
    job = deletion.begin(briefs, None)
    Deletion.objects.filter(pk=job.pk).update(status="failed", error="The worker was lost.")
    page = reverse("curation:deletion", args=[project.pk, job.pk])
    assert page + "/retry" in as_bob.get(page).content.decode()
    assert as_ann.post(page + "/retry").status_code == 403
    assert as_bob.post(page + "/retry").url == page
    assert done(job).status == "done"


def test_by_rest_a_large_one_is_accepted_and_then_asked_for(project, briefs, bob_api, large):
    root = f"/api/projects/{project.pk}"
    answer = bob_api.delete(f"{root}/datasets/{briefs.pk}")
    told = answer.json()
    assert (answer.status_code, told["status"], told["total"], told["name"]) == (202, "queued", 12, "Briefs")
    assert bob_api.get(f"{root}/datasets/{briefs.pk}").status_code == 404
    assert bob_api.get(f"{root}/datasets").json() == []
    tasks.delete_dataset(told["id"])
    assert bob_api.get(f"{root}/deletions/{told['id']}").json()["status"] == "done"
