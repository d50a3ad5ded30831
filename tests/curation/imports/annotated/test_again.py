"""Moving over more than once, in parts, or by a worker that is killed: nothing comes twice."""

import pytest
from django.core.files.base import ContentFile

from curation.imports import drafts
from curation.imports.annotated import rows as annotated_rows
from curation.models import Annotation, Suggestion, Task
from curation.tasks import import_file
from tests.curation.imports.annotated.exports import LS, begun, by_key, choice, move, task, tasks_file


def test_moving_again_adds_nothing_twice(moved_into, people):
    move(moved_into, LS / "reviews_snapshot.json")
    before = [model.objects.count() for model in (Annotation, Suggestion, Task)]
    job = move(moved_into, LS / "reviews_snapshot.json")
    assert (job.ok, job.updated, job.skipped, job.failed) == (0, 0, 6, 0)
    assert before == [model.objects.count() for model in (Annotation, Suggestion, Task)]
    assert moved_into.records.count() == 6
    assert job.line.startswith("0 added, 0 updated, 6 unchanged of 6 rows.")


def test_a_later_export_adds_what_is_new(moved_into):
    move(moved_into, tasks_file(task(1, "one", [choice("plain")]), task(2, "two")))
    job = move(
        moved_into, tasks_file(task(1, "one", [choice("plain")], [choice("loud")]), task(3, "three", [choice("soft")]))
    )
    assert (job.ok, job.updated) == (2, 1)
    assert Annotation.objects.filter(record__key="1").count() == 2
    assert by_key(moved_into)["1"].task.state == "disputed"
    assert [label["value"] for label in moved_into.questions.get().options["labels"]] == ["plain", "loud", "soft"]


def test_a_record_of_the_same_id_from_elsewhere_is_not_touched(moved_into):
    job = drafts.begin(
        moved_into, None, file=ContentFile(b'{"id": "1", "text": "mine"}\n', name="a.jsonl"), any_kind=True
    )
    drafts.confirm_unseen(job, drafts.mapping_from({"kind": "documents", "fields": ["text"], "key": "id"}))
    import_file(job.pk)
    job = move(moved_into, tasks_file(task(1, "theirs", [choice("plain")])))
    assert (job.ok, job.failed, job.issues.get().code) == (0, 1, "id-taken")
    assert not Annotation.objects.exists()


def test_one_person_twice_counts_once_and_is_listed(moved_into):
    twice = task(1, "one", [choice("plain")], [choice("loud")])
    for one, date in zip(twice["annotations"], ("2026-01-01T10:00:00Z", "2026-01-02T10:00:00Z"), strict=True):
        one |= {"completed_by": 7, "created_at": date, "updated_at": date}
    job = move(moved_into, tasks_file(twice))
    assert Annotation.objects.get().answers == {"tone": "loud"}
    assert job.source["moving"]["left"]["second-answer"][0] == 1


def test_a_killed_move_goes_on_and_doubles_nothing(moved_into, monkeypatch):
    monkeypatch.setattr(annotated_rows, "SIZE", 10)
    job = begun(
        moved_into, tasks_file(*(task(n, f"text {n}", [choice("plain" if n % 2 else "loud")]) for n in range(35)))
    )
    whole, writes = annotated_rows.TaskWriter.write, []

    def third_is_killed(self, *args):
        counts = whole(self, *args)
        writes.append(1)
        if len(writes) == 3:
            raise SystemExit
        return counts

    monkeypatch.setattr(annotated_rows.TaskWriter, "write", third_is_killed)
    with pytest.raises(SystemExit):
        import_file(job.pk)
    assert moved_into.records.count() == Annotation.objects.count() == 20
    import_file(job.pk)
    job.refresh_from_db()
    assert (job.status, job.ok, job.source["moving"]["counts"]["annotations"]) == ("done", 35, 35)
    assert moved_into.records.count() == Annotation.objects.count() == Task.objects.count() == 35
