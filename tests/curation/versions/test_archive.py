"""The archive of versions: hidden, not used by accident, its disk freed, its hashes kept."""

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.urls import reverse

from atelier.audit.models import AuditEntry
from curation import exports, tasks, usage
from curation.datasets import deletion
from curation.models import Dataset, Deletion, Version
from curation.versions import archive, diff, lineage
from curation.versions import files as version_files
from tests.curation.teacher import conversations
from tests.curation.versions.test_freezes import frozen as freeze
from training.bases import store
from training.runs import control

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(project) -> Version:
    return freeze(conversations(project, 30))


def test_an_archived_version_is_in_no_list_but_its_own(project, version, as_bob, as_vic, bob_api):
    index = reverse("curation:versions", args=[project.pk])
    answer = as_bob.post(reverse("curation:archive_version", args=[project.pk, version.pk, "archive"]), follow=True)
    assert "is archived: it cannot be trained on" in answer.content.decode()
    assert str(version) not in as_vic.get(index).content.decode()
    assert "Show archived (1)" in as_vic.get(index).content.decode()
    assert str(version) in as_vic.get(index + "?archived=1").content.decode()
    assert bob_api.get(f"/api/projects/{project.pk}/versions").json() == []
    (listed,) = bob_api.get(f"/api/projects/{project.pk}/versions?archived=true").json()
    assert (listed["id"], listed["archived_at"] is not None) == (version.pk, True)
    assert control.trainable(project) == []


def test_it_is_not_used_by_accident_until_it_is_restored(version, bob):
    archive.archive(version, None)
    for use in (
        lambda: control.start(version, store.STUDENT, None, bob),
        lambda: exports.begin(version.dataset, bob, "chat", version=version),
    ):
        with pytest.raises(ValidationError, match=r"is archived\. Restore it from the archive first"):
            use()
    assert archive.unarchive(version, None)
    assert exports.begin(version.dataset, bob, "chat", version=version).pk
    assert [*AuditEntry.objects.order_by("pk").values_list("action", flat=True)] == ["archived", "unarchived"]


def test_a_job_that_needs_it_keeps_it(version, bob):
    exports.begin(version.dataset, bob, "chat", version=version)
    with pytest.raises(ValidationError, match=r"Export Briefs v1 needs Briefs v1\. Wait until it ends or cancel it"):
        archive.archive(version, None)
    version.refresh_from_db()
    assert version.archived_at is None


def test_its_files_go_and_what_they_were_stays(project, team, version, as_bob, bob_api):
    before, names = usage.versions(team), [file["name"] for file in version.files.values()]
    with pytest.raises(ValidationError, match="isn't archived"):
        archive.free(version, None)
    archive.archive(version, None)
    freed = bob_api.delete(f"/api/projects/{project.pk}/versions/{version.pk}/files").json()["freed"]
    assert (freed, usage.versions(team)) == (before, 0)
    assert not any(default_storage.exists(name) for name in names)
    old, version = version, Version.objects.get(pk=version.pk)
    assert (version.files, version.content_hash, version.counts()) == (old.files, old.content_hash, old.counts())
    assert version_files.verify(version) == []
    for read in (lambda: version_files.open_split(version, "train"), lambda: archive.unarchive(version, None)):
        with pytest.raises(ValidationError, match="were removed"):
            read()
    page = as_bob.get(reverse("curation:version", args=[project.pk, version.pk]))
    assert "its files were removed" in page.content.decode()
    assert as_bob.get(reverse("curation:version_package", args=[project.pk, version.pk])).status_code == 302
    assert as_bob.get(reverse("curation:version_card", args=[project.pk, version.pk])).status_code == 200
    assert archive.free(version, None) == 0


def test_files_of_another_version_with_the_same_content_stay(version):
    twin = freeze(version.dataset)
    archive.archive(version, None)
    assert archive.free(version, None) == 0
    assert version_files.verify(twin) == []
    with pytest.raises(ValidationError, match="so it cannot be compared"):
        diff.between(Version.objects.get(pk=version.pk), twin)


def test_one_killed_between_the_files_and_the_row_is_finished_by_the_next_call(version, monkeypatch):
    archive.archive(version, None)
    real, calls = default_storage.delete, []

    def dying(name: str) -> None:
        calls.append(name)
        if len(calls) == 2:
            raise MemoryError
        real(name)

    with monkeypatch.context() as patched:
        patched.setattr(default_storage, "delete", dying)
        with pytest.raises(MemoryError):
            archive.free(version, None)
    version.refresh_from_db()
    assert version.freed_at is None
    archive.free(version, None)
    version.refresh_from_db()
    assert version.freed_at is not None
    assert not any(default_storage.exists(file["name"]) for file in version.files.values())


def test_a_viewer_may_not(project, version, as_vic):
    for path in ("archive_version", "free_version"):
        args = [project.pk, version.pk, *(["archive"] if path == "archive_version" else [])]
        assert as_vic.post(reverse(f"curation:{path}", args=args)).status_code == 403


def test_a_dataset_is_kept_by_its_version_then_deleted_and_the_version_outlasts_it(version, alice):
    dataset = version.dataset
    with pytest.raises(ValidationError, match=r"Briefs v1 was frozen from this dataset\. Archive it under Versions"):
        deletion.begin(dataset, alice)
    archive.archive(version, None)
    with pytest.raises(ValidationError, match="remove the files"):
        deletion.begin(dataset, alice)
    archive.free(version, None)
    assert deletion.keeps(dataset) == ["Briefs v1"]
    job = deletion.begin(dataset, alice)
    tasks.delete_dataset(job.pk)
    job = Deletion.objects.get()
    assert job.line == "Briefs was deleted, with 30 records. Its archived versions keep their hashes and figures."
    kept = Version.objects.select_related("dataset").get()
    assert (kept.content_hash, kept.rows, kept.entries.count()) == (version.content_hash, 30, 0)
    assert (list(Dataset.objects.all()), kept.dataset.deleted_at is not None) == ([], True)
    with pytest.raises(ValidationError, match="were removed"):
        archive.unarchive(kept, None)
    assert lineage.onward(kept) == ()


def test_a_dataset_that_others_were_made_from_names_them(project, alice, as_bob, bob_api):
    source, derived = conversations(project, 3, name="Raw"), conversations(project, 2, name="Rewrites")
    derived.records.update(source=source.records.first())
    address = reverse("curation:delete_dataset", args=[project.pk, source.pk])
    page = as_bob.get(address).content.decode()
    assert "2 records of Rewrites were made from this dataset" in page
    assert "Delete permanently" not in page
    asked = bob_api.get(f"/api/projects/{project.pk}/datasets/{source.pk}/deletion").json()
    assert (asked["deletes"], asked["keeps"]) == (["3 records"], [])
    assert "2 records of Rewrites were made from this dataset" in asked["refused"][0]
    assert bob_api.delete(f"/api/projects/{project.pk}/datasets/{source.pk}").status_code == 422
    with pytest.raises(ValidationError, match="Delete those first"):
        deletion.begin(source, alice)
    tasks.delete_dataset(deletion.begin(derived, alice).pk)
    assert deletion.begin(source, alice).pk


def test_a_failed_freeze_is_not_retried_from_the_archive(project, version, bob_api):
    Version.objects.update(status="failed")
    version.refresh_from_db()
    archive.archive(version, None)
    answer = bob_api.post(f"/api/projects/{project.pk}/versions/{version.pk}/resume")
    assert (answer.status_code, "is archived. Restore it from the archive first." in answer.content.decode()) == (
        422,
        True,
    )
    version.refresh_from_db()
    assert version.status == "failed"
    assert archive.unarchive(version, None)
    assert version.enqueue()


def test_the_rail_names_no_archived_version(project, version, as_vic):
    home = reverse("project", args=[project.pk])
    assert "Briefs v1 has 30 rows" in as_vic.get(home).content.decode()
    archive.archive(version, None)
    assert "Briefs v1 has" not in as_vic.get(home).content.decode()


def test_an_export_that_was_asked_for_as_it_was_archived_fails(version, bob):
    export = exports.begin(version.dataset, bob, "chat", version=version)
    Version.objects.update(archived_at=version.created_at)  # as if both had happened at once
    tasks.export(export.pk)
    export.refresh_from_db()
    assert (export.status, "is archived. Restore it from the archive first" in export.error) == ("failed", True)
