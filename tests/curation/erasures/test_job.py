"""Erasing records everywhere: what is gone, and what still verifies."""

import hashlib
import json

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from curation import exports, tasks
from curation.erasures import requests
from curation.models import (
    Annotation,
    Change,
    Dataset,
    Distillation,
    Erasure,
    Export,
    Generation,
    Import,
    ImportIssue,
    Question,
    Queue,
    Record,
    SpanTrail,
    Suggestion,
    Task,
    Version,
)
from curation.records import changes, derived
from curation.versions import archive, card, diff, package
from curation.versions import files as version_files
from tests.curation.erasures.erasing import SECRET, about, erased, everywhere, person
from tests.curation.teacher import conversations, documents
from tests.curation.versions.test_freezes import frozen as freeze

pytestmark = pytest.mark.django_db


def test_the_record_and_its_frozen_row_are_gone_and_the_rest_verifies(alice, briefs):
    record, version = person(briefs), freeze(briefs)
    entry = version.entries.get(record=record)
    before, former = version.file(entry.split), version.content_hash
    line = list(version_files.export(version, entry.split))[entry.row - 1]
    found = erased(briefs, alice, record)
    version.refresh_from_db()
    assert everywhere() == []
    assert version_files.verify(version) == []
    assert (version.rows, sum(version.counts().values()), version.erased) == (29, 29, 1)
    ledger = found.files.get()
    assert (ledger.sha256_before, ledger.sha256_after) == (before["sha256"], version.file(entry.split)["sha256"])
    assert (ledger.content_hash_before, ledger.content_hash_after) == (former, version.content_hash)
    assert ledger.rows == [
        {
            "row": entry.row,
            "record": record.pk,
            "id": json.loads(line)["id"],
            "sha256": hashlib.sha256(line).hexdigest(),
        }
    ]
    assert not default_storage.exists(before["name"])
    assert (found.actor, found.reason) == ("alice", "Request of 3 May")


def test_every_other_line_stays_where_it_was(alice, briefs):
    version = freeze(briefs)
    old = {split: list(version_files.export(version, split)) for split in version.files}
    entry = version.entries.get(record=person(briefs))
    erased(briefs, alice, person(briefs))
    version.refresh_from_db()
    for split, lines in old.items():
        new = list(version_files.export(version, split))
        changed = [number for number, pair in enumerate(zip(lines, new, strict=True), 1) if pair[0] != pair[1]]
        assert changed == ([entry.row] if split == entry.split else [])
        assert [len(line) for line in new] == [len(line) for line in lines]
    tombstone = json.loads(list(version_files.export(version, entry.split))[entry.row - 1])
    assert tombstone == {"erased": True, "id": json.loads(old[entry.split][entry.row - 1])["id"]}


def test_readers_leave_the_row_out(alice, project, briefs):
    version = freeze(briefs)
    split = version.entries.get(record=person(briefs)).split
    first = freeze(briefs)
    erased(briefs, alice, person(briefs))
    version, first = Version.objects.get(pk=version.pk), Version.objects.get(pk=first.pk)
    count = version.counts()[split]
    assert len(list(version_files.rows(version, split))) == count
    assert len(list(version_files.export(version, split, bare=True))) == count
    assert len(list(version_files.export(version, split))) == count + 1
    assert all("messages" in row for row in version_files.samples(version, split, 100))
    assert diff.between(first, version).same == 29
    export = exports.begin(briefs, alice, "chat", version=version)
    tasks.export(export.pk)
    export.refresh_from_db()
    assert export.line == "29 of 29 records exported; 1 row of the version had been erased."
    assert "1 row was erased" in card.file(version)
    assert b"".join(package.pack(version))


def test_a_record_in_three_versions_goes_from_all(alice, briefs):
    versions = [freeze(briefs), freeze(briefs, seed=4), freeze(briefs, seed=9)]
    found = erased(briefs, alice, person(briefs))
    assert found.files.count() == 3
    assert found.erased["frozen rows"] == 3
    for version in versions:
        version.refresh_from_db()
        assert (version.erased, version_files.verify(version)) == (1, [])


def test_two_versions_of_one_content_share_the_new_file_too(alice, briefs):
    first, second = freeze(briefs), freeze(briefs)
    old = first.files
    assert old == second.files
    erased(briefs, alice, person(briefs))
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.files == second.files
    assert version_files.verify(first) == version_files.verify(second) == []
    assert [split for split in old if not default_storage.exists(old[split]["name"])] != []


def test_a_file_of_the_same_content_elsewhere_stays_and_is_named(alice, project, briefs):
    other = conversations(project, 30, name="Twins")
    about(other.records.order_by("pk")[7])
    version, twin = freeze(briefs), freeze(other)
    assert version.files == twin.files
    found = erased(briefs, alice, person(briefs))
    assert version_files.verify(twin) == []
    assert {(stays["kind"], stays["label"]) for stays in found.stays} == {
        ("Version", "Twins v1"), ("Records", "1 of Twins"),
    }  # fmt: skip
    again = erased(other, alice, person(other))
    assert again.stays == []
    assert everywhere() == []


def test_a_copy_of_a_copy_goes_along(alice, project, briefs):
    record, more = person(briefs), conversations(project, 6, name="More")
    first, second, *others = more.records.order_by("pk")
    for copy, source in ((first, record), (second, first)):
        copy.messages, copy.source = source.messages, source
        derived.complete(copy)
        copy.save()
    version = freeze(more)
    found = erased(briefs, alice, record)
    assert found.line == "1 record and 2 made from them erased."
    assert set(found.records.values_list("record", "is_derived")) == {
        (record.pk, False), (first.pk, True), (second.pk, True),
    }  # fmt: skip
    assert list(more.records.present().order_by("pk")) == others
    version.refresh_from_db()
    assert (version.rows, version.erased) == (4, 2)
    assert everywhere() == []


def test_what_people_and_jobs_wrote_about_it_goes(alice, project, briefs):
    record = person(briefs)
    kept = default_storage.save("imports/rows.jsonl", ContentFile(SECRET))
    source = Import.objects.create(
        project=project, dataset=briefs, file=kept, status="done", original_name="people.csv"
    )
    Record.objects.filter(pk=record.pk).update(imported_by=source, import_line=3)
    ImportIssue.objects.create(parent=source, line=3, outcome="partly", code="x", message=SECRET, raw=SECRET)
    record.refresh_from_db()
    changes.review(record, alice, "accept")
    record.comments.create(user=alice, author="alice", text=f"{SECRET}?")
    export = exports.begin(briefs, alice, "chat")
    tasks.export(export.pk)
    found = erased(briefs, alice, record)
    assert everywhere() == []
    assert not Change.objects.filter(record=record).exists()
    assert (Export.objects.get().file, Import.objects.get().file) == ("", "")
    assert (found.erased["comments"], found.erased["exports"], found.erased["imported files"]) == (1, 1, 1)


def test_copies_that_imports_skipped_go_and_the_files_of_imports_that_changed_it(alice, project, briefs):
    record = person(briefs)
    jobs = []
    for number in range(3):
        kept = default_storage.save(f"imports/rows{number}.jsonl", ContentFile(SECRET))
        jobs.append(Import.objects.create(project=project, dataset=briefs, file=kept, status="done", original_name="a"))
    same, unchanged, changed = jobs
    sentences = [
        (same, f"Skipped: same content as record {record.pk}."),
        (unchanged, f"Record {record.pk} already has this content."),
    ]
    for job, sentence in sentences:
        ImportIssue.objects.create(parent=job, line=1, outcome="skipped", code="x", message=sentence, raw=SECRET)
    Change.objects.create(record=record, dataset=briefs, actor="alice", action="import", imported_by=changed)
    other = Import.objects.create(
        project=project, dataset=briefs, file="imports/other.jsonl", status="done", original_name="b"
    )
    ImportIssue.objects.create(
        parent=other, line=1, outcome="skipped", code="x", message="Skipped: same content as record 0.", raw="else"
    )
    found = erased(briefs, alice, record)
    assert everywhere() == []
    assert [Import.objects.get(pk=job.pk).file for job in jobs] == ["", "", ""]
    assert found.erased["imported files"] == 3
    other.refresh_from_db()
    assert (other.file, other.issues.get().raw) == ("imports/other.jsonl", "else")


def test_spans_that_were_set_aside_go(alice, briefs):
    record = person(briefs)
    question = Question.objects.create(dataset=briefs, name="who", title="Who?", kind="span")
    SpanTrail.objects.create(
        record=record,
        question=question,
        holder="final",
        aside=[{"id": "a", "label": "name", "words": SECRET}],
        aside_count=1,
    )
    erased(briefs, alice, record)
    assert everywhere() == []


def test_a_file_that_lacks_a_row_of_its_lineage_is_not_taken_for_erased(alice, briefs):
    version, record = freeze(briefs), person(briefs)
    version.entries.filter(record=record).update(row=0)
    started = requests.begin(briefs, alice, [record.pk], "Request")
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert (started.status, "lacks rows that its lineage names" in started.error) == ("failed", True)
    assert version.entries.get(record=record).erased_at is None


def test_erased_twice_is_refused_with_who_and_when(alice, bob, briefs):
    record = person(briefs)
    erased(briefs, alice, record)
    with pytest.raises(ValidationError, match=f"Record {record.pk} was already erased on .* by alice"):
        requests.begin(briefs, bob, [record.pk], "Again")


def test_one_that_is_erased_among_others_is_left_out(alice, briefs):
    record, other = person(briefs), briefs.records.order_by("pk").first()
    erased(briefs, alice, record)
    assert requests.begin(briefs, alice, [record.pk, other.pk], "Both").roots == [other.pk]


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_a_reason_is_needed(alice, briefs, reason):
    with pytest.raises(ValidationError, match="reason"):
        requests.begin(briefs, alice, [person(briefs).pk], reason)


def test_records_of_another_dataset_are_refused(alice, project, briefs):
    other = conversations(project, 1, name="Other").records.get()
    with pytest.raises(ValidationError, match="has no record"):
        requests.begin(briefs, alice, [other.pk], "Request")


def test_a_deleted_record_can_be_erased(alice, briefs):
    version, record = freeze(briefs), person(briefs)
    Record.objects.filter(pk=record.pk).update(deleted_at=record.created_at)
    erased(briefs, alice, record)
    version.refresh_from_db()
    assert (version.erased, everywhere()) == (1, [])


def test_an_archived_version_without_files_has_nothing_left_to_erase(alice, briefs):
    version, record = freeze(briefs), person(briefs)
    archive.archive(version, None)
    archive.free(version, None)
    found = erased(briefs, alice, record)
    assert (found.files.count(), version.entries.get(record=record).erased_at is not None) == (0, True)
    assert everywhere() == []


def test_the_same_key_asks_once(alice, briefs):
    record = person(briefs)
    first = requests.begin(briefs, alice, [record.pk], "Request", key="k")
    assert requests.begin(briefs, alice, [record.pk], "Request", key="k") == first


def test_answers_suggestions_and_known_answers_go_and_their_counts_stay(alice, ann, project, briefs):
    record = person(briefs)
    question = Question.objects.create(dataset=briefs, name="who", title="Who?", kind="text")
    queue = Queue.objects.create(dataset=briefs)
    task = Task.objects.create(queue=queue, record=record, known={"who": SECRET}, answers={"who": SECRET})
    Annotation.objects.create(
        task=task, record=record, user=ann, author="ann", state="submitted", answers={"who": SECRET}, skip_reason=SECRET
    )
    Suggestion.objects.create(record=record, question=question, value=SECRET, source="model")
    found = erased(briefs, alice, record)
    assert everywhere() == []
    assert (Annotation.objects.get().state, found.erased["annotations"], found.erased["suggestions"]) == (
        "submitted",
        1,
        1,
    )


def test_the_words_of_spans_that_were_set_aside_go(alice, project, briefs):
    record = person(briefs)
    question = Question.objects.create(
        dataset=briefs, title="Names", name="names", kind="spans", options={"piece": "prompt", "labels": ["person"]}
    )
    value = [{"start": 0, "end": len(SECRET), "label": "person"}]
    Suggestion.objects.create(record=record, question=question, value=value, source="model")
    changes.change(record, alice, "edit", messages=[{"role": "user", "content": "Nobody lives there."}])
    assert SpanTrail.objects.get(record=record).aside[0]["words"] == SECRET
    erased(briefs, alice, record)
    assert everywhere() == []
    assert not SpanTrail.objects.exists()


def test_the_ledger_of_a_distillation_is_emptied_and_still_tallies(alice, project):
    source, target = documents(project, 4), conversations(project, 1, name="Answers")
    record = source.records.order_by("pk")[1]
    Record.objects.filter(pk=record.pk).update(fields={"text": SECRET})
    distilled = target.records.get()
    distillation = Distillation.objects.create(
        project=project, name="D", dataset=source, target=target, teacher_name="t", template="x", status="paused",
        ok=1, failed=1, done=2, total=3,
    )  # fmt: skip
    about(distilled)
    Record.objects.filter(pk=distilled.pk).update(source=None)
    ledger = [
        ("ok", record, distilled),
        ("failed", source.records.order_by("pk")[0], None),
        ("pending", source.records.order_by("pk")[2], None),
    ]
    for outcome, asked, result in ledger:
        Generation.objects.create(
            distillation=distillation, record=asked, outcome=outcome, result=result, answer=SECRET, reasoning=SECRET,
            reason=SECRET, prompt=[{"role": "user", "content": SECRET}],
        )  # fmt: skip
    started = requests.begin(source, alice, list(source.records.values_list("pk", flat=True)), "Request")
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert (started.status, started.erased["teacher calls"]) == ("done", 3)
    assert started.records.get(record=distilled).is_derived
    distillation.refresh_from_db()
    assert (distillation.ok, distillation.failed, distillation.skipped, distillation.done) == (1, 0, 2, 3)
    counted = sorted(Generation.objects.values_list("outcome", flat=True))
    assert counted == ["ok", "skipped", "skipped"]
    assert everywhere() == []


def test_a_preference_leaves_a_tombstone_too(alice, project):
    dataset = Dataset.objects.create(project=project, name="Pairs", kind="preferences")
    for number in range(12):
        record = Record(
            dataset=dataset, status="accepted", messages=[{"role": "user", "content": f"Q{number}"}],
            chosen=[{"role": "assistant", "content": f"Yes {number}"}], rejected=[{"role": "assistant", "content": "No"}],
        )  # fmt: skip
        derived.complete(record, dataset)
        record.save()
    record = dataset.records.order_by("pk")[2]
    record.chosen = [{"role": "assistant", "content": SECRET}]
    record.save()
    version = freeze(dataset)
    erased(dataset, alice, record)
    version.refresh_from_db()
    assert (version.rows, version_files.verify(version), everywhere()) == (11, [], [])


def test_the_shortest_row_has_room_for_its_tombstone():
    row = b'{"id":"0123456789abcdef","messages":[],"metadata":{}}\n'
    left = version_files.tombstone(row)
    assert (len(left), left.endswith(b" \n"), version_files.is_erased(left)) == (len(row), True, True)
    assert not version_files.is_erased(row)


def test_a_row_that_people_called_erased_is_no_tombstone(project):
    dataset = conversations(project, 12)
    dataset.records.update(metadata={"erased": True})
    version = freeze(dataset)
    assert sum(len(list(version_files.rows(version, split))) for split in version.files) == 12


def test_a_deleted_project_takes_its_erasures_along(alice, project, briefs):
    freeze(briefs)
    erased(briefs, alice, person(briefs))
    briefs.versions.all().delete()
    project.delete()
    assert not Erasure.objects.exists()
