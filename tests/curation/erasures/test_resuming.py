"""Erasures beside other work: a kill between any two steps, readers under way, and jobs that copy."""

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage

from atelier.jobs.claims import LostClaim
from curation import exports, tasks
from curation.annotation import answers
from curation.datasets import deletion
from curation.erasures import contents, copies, frozen, job, requests
from curation.models import Annotation, Export, Queue, Record, Task
from curation.versions import archive, freezes
from curation.versions import files as version_files
from tests.curation.erasures.erasing import SECRET, about, erased, everywhere, person
from tests.curation.teacher import conversations
from tests.curation.versions.test_freezes import frozen as freeze

pytestmark = pytest.mark.django_db


STEPS = [
    (requests, "made_from"), (contents, "wipe"), (copies, "restart_readers"), (frozen, "_without"), (frozen, "_adopt"),
    (frozen, "clear"), (copies, "remove_exports"), (copies, "remove_imports"), (copies, "remains"),
]  # fmt: skip


def test_a_bulk_action_at_work_is_waited_for(alice, project, briefs):
    briefs.bulk_actions.create(project=project, action="copy", status="running")
    with pytest.raises(ValidationError, match="is at work and may copy these records"):
        requests.begin(briefs, alice, [person(briefs).pk], "Request")


def test_a_copy_made_between_the_request_and_the_erasure_goes_too(alice, project, briefs, monkeypatch):
    record, more = person(briefs), conversations(project, 1, name="More")
    started, real = requests.begin(briefs, alice, [record.pk], "Request"), job._wipe

    def copying(claim):
        monkeypatch.setattr(job, "_wipe", real)
        copy = Record(dataset=more, source=record)
        about(copy)
        real(claim)

    monkeypatch.setattr(job, "_wipe", copying)
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert (started.status, started.total, started.done) == ("done", 2, 2)
    assert everywhere() == []


def test_a_bulk_action_that_began_since_the_request_is_waited_for(alice, project, briefs):
    started = requests.begin(briefs, alice, [person(briefs).pk], "Request")
    action = briefs.bulk_actions.create(project=project, action="copy", status="running")
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert (started.status, "is at work" in started.error) == ("failed", True)
    action.delete()
    assert started.enqueue()
    tasks.erase(started.pk)
    assert everywhere() == []


def test_an_answer_in_progress_cannot_be_submitted_any_more(alice, ann, briefs):
    record = person(briefs)
    task = Task.objects.create(queue=Queue.objects.create(dataset=briefs), record=record)
    held = Annotation.objects.create(task=task, record=record, user=ann, author="ann", answers={"who": SECRET})
    erased(briefs, alice, record)
    with pytest.raises(answers.LockLost):
        answers.skip(held, SECRET)
    assert everywhere() == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("module", "name"), STEPS, ids=[name for _, name in STEPS])
def test_one_killed_at_any_step_resumes(alice, briefs, monkeypatch, module, name, after):
    version, other = freeze(briefs), freeze(briefs, seed=5)
    export = exports.begin(briefs, alice, "chat")
    tasks.export(export.pk)
    started = requests.begin(briefs, alice, [person(briefs).pk], "Request")
    real, calls = getattr(module, name), []

    def dying(*args, **kwargs):
        calls.append(1)
        if after:
            real(*args, **kwargs)
        raise MemoryError

    monkeypatch.setattr(module, name, dying)
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert (started.status, len(calls)) == ("failed", 1)
    for frozen_version in (version, other):
        frozen_version.refresh_from_db()
        assert version_files.verify(frozen_version) == []
    monkeypatch.setattr(module, name, real)
    assert started.enqueue()
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert (started.status, started.erased["frozen rows"], started.files.count()) == ("done", 2, 2)
    assert everywhere() == []
    for frozen_version in (version, other):
        frozen_version.refresh_from_db()
        assert (frozen_version.erased, version_files.verify(frozen_version)) == (1, [])


def test_a_freeze_that_reads_meanwhile_begins_again_without_the_record(alice, briefs, monkeypatch):
    """The freeze has written the row and waits to finish; the erasure ends; the freeze may not."""
    from curation.versions import job as freeze_job

    record, real = person(briefs), freeze_job._finish

    def late(*args):
        monkeypatch.setattr(freeze_job, "_finish", real)
        erased(briefs, alice, record)
        real(*args)

    monkeypatch.setattr(freeze_job, "_finish", late)
    version = freezes.create(briefs, None)
    tasks.freeze(version.pk)
    version.refresh_from_db()
    assert version.status == "queued"
    assert everywhere() == []  # nor is a file left that no version has
    tasks.freeze(version.pk)
    version.refresh_from_db()
    assert (version.status, version.rows) == ("done", 29)
    assert not version.entries.filter(record=record).exists()


@pytest.mark.parametrize("step", ["keep", "_finish"])
def test_what_a_killed_freeze_left_goes(alice, briefs, monkeypatch, step):
    """As after kill -9: nothing was cleared up, and the freeze is never tried again."""
    from curation.versions import job as freeze_job
    from curation.versions import scratch

    def dying(*args):
        raise MemoryError

    with monkeypatch.context() as killed:
        killed.setattr(scratch, "_remove", lambda path: None)
        killed.setattr(freeze_job.SplitFile if step == "keep" else freeze_job, step, dying)
        version = freezes.create(briefs, None)
        tasks.freeze(version.pk)
    left = [found for found in everywhere() if found.endswith(".jsonl")]
    assert left, "the setup of this test"
    erased(briefs, alice, person(briefs))
    assert everywhere() == []


def test_what_a_killed_export_left_goes(alice, briefs, monkeypatch):
    def dying(*args):
        raise MemoryError

    with monkeypatch.context() as killed:
        killed.setattr(exports, "_finish", dying)
        export = exports.begin(briefs, alice, "chat")
        tasks.export(export.pk)
    assert any(found.startswith(f"{export.pk}-") for found in everywhere()), "the setup of this test"
    erased(briefs, alice, person(briefs))
    assert everywhere() == []


def test_an_export_that_reads_meanwhile_begins_again(alice, briefs, monkeypatch):
    record, real = person(briefs), exports._finish

    def late(*args):
        monkeypatch.setattr(exports, "_finish", real)
        erased(briefs, alice, record)
        real(*args)

    monkeypatch.setattr(exports, "_finish", late)
    export = exports.begin(briefs, alice, "chat")
    tasks.export(export.pk)
    export.refresh_from_db()
    assert (export.status, export.file) == ("queued", "")
    tasks.export(export.pk)
    export.refresh_from_db()
    assert export.line == "29 of 29 records exported."


def test_an_export_that_reads_a_version_before_its_file_is_replaced_begins_again(alice, briefs, monkeypatch):
    """It starts once the records are empty, and reads the old file until after the new one is in its place."""
    record, version, real = person(briefs), freeze(briefs), exports._finish
    started = requests.begin(briefs, alice, [record.pk], "Request")
    export = exports.begin(briefs, alice, "chat", version=version)
    adopt, lately = frozen._adopt, []

    def exporting(*args):
        monkeypatch.setattr(exports, "_finish", lambda *held: lately.append(held))
        tasks.export(export.pk)  # its file is stored, and its row not yet written
        Export.objects.update(status="running", fence=lately[0][0].fence)
        adopt(*args)

    monkeypatch.setattr(frozen, "_adopt", exporting)
    tasks.erase(started.pk)
    monkeypatch.setattr(exports, "_finish", real)
    with pytest.raises(LostClaim):
        real(*lately[0])
    export.refresh_from_db()
    assert (export.status, export.file) == ("queued", "")
    tasks.export(export.pk)
    export.refresh_from_db()
    assert export.line == "29 of 29 records exported; 1 row of the version had been erased."
    assert everywhere() == []


def test_an_export_of_a_version_that_ended_before_its_file_was_replaced_goes(alice, briefs, monkeypatch):
    record, version = person(briefs), freeze(briefs)
    started = requests.begin(briefs, alice, [record.pk], "Request")
    export, adopt = exports.begin(briefs, alice, "chat", version=version), frozen._adopt

    def exporting(*args):
        tasks.export(export.pk)
        adopt(*args)

    monkeypatch.setattr(frozen, "_adopt", exporting)
    tasks.erase(started.pk)
    export.refresh_from_db()
    assert (export.status, export.file) == ("done", "")
    assert everywhere() == []


def test_a_file_of_a_version_is_not_replaced_while_somebody_removes_it(alice, briefs, monkeypatch):
    version, adopt = freeze(briefs), frozen._adopt
    started = requests.begin(briefs, alice, [person(briefs).pk], "Request")

    def freeing(*args):
        archive.archive(version, None)
        archive.free(version, None)
        monkeypatch.setattr(frozen, "_adopt", adopt)
        adopt(*args)

    monkeypatch.setattr(frozen, "_adopt", freeing)
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert (started.status, "changed while rows were erased" in started.error) == ("failed", True)
    assert started.enqueue()
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert (started.status, everywhere()) == ("done", [])


def test_a_damaged_file_is_left_and_named_until_it_is_restored(alice, briefs):
    version, record = freeze(briefs), person(briefs)
    split = version.entries.get(record=record).split
    path = default_storage.path(version.file(split)["name"])
    whole = open(path, "rb").read()  # noqa: SIM115
    open(path, "wb").write(whole[:-3])  # noqa: SIM115
    started = requests.begin(briefs, alice, [record.pk], "Request")
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert (started.status, "differs from what was frozen" in started.error) == ("failed", True)
    assert Record.objects.get(pk=record.pk).messages == []
    open(path, "wb").write(whole)  # noqa: SIM115
    assert started.enqueue()
    tasks.erase(started.pk)
    assert everywhere() == []


def test_a_dataset_is_not_deleted_while_its_records_are_erased(alice, briefs):
    requests.begin(briefs, alice, [person(briefs).pk], "Request")
    with pytest.raises(ValidationError, match="A job is using this dataset"):
        deletion.begin(briefs, alice)


def test_lines_of_a_batch_are_wiped_once(alice, briefs, monkeypatch):
    monkeypatch.setattr(job, "BATCH", 2)
    pks = list(briefs.records.order_by("pk").values_list("pk", flat=True)[:5])
    started = requests.begin(briefs, alice, pks, "Request")
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert (started.done, started.total, briefs.records.present().count()) == (5, 5, 25)
