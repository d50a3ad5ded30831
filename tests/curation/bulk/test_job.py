"""Bulk actions: done in batches, resumed, undone as one."""

import json
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from curation import bulk
from curation.bulk import batches, previews
from curation.bulk import job as bulk_job
from curation.datasets import settings
from curation.models import BulkAction, Dataset, Record
from curation.records import changes, derived
from curation.search.filters import Filters
from curation.tasks import bulk as bulk_task
from curation.tokens import student


@pytest.fixture
def chats(project, alice, monkeypatch) -> Dataset:
    monkeypatch.setattr(bulk_job, "BATCH", 4)
    dataset = settings.create(project, alice, "Chats")
    for n in range(10):
        make(dataset, f"number {n}")
    return dataset


def make(dataset: Dataset, text: str, **more) -> Record:
    record = Record(
        dataset=dataset, messages=[{"role": "user", "content": text}, {"role": "assistant", "content": text}], **more
    )
    derived.complete(record).save()
    return record


def done(job: BulkAction) -> BulkAction:
    bulk_task(job.pk)
    job.refresh_from_db()
    return job


def act(dataset: Dataset, user, action: str, filters: Filters | None = None, /, **options) -> BulkAction:
    return done(bulk.begin(dataset, user, action, filters or Filters(), options=options))


def statuses(dataset: Dataset) -> list[str]:
    return list(dataset.records.order_by("pk").values_list("status", flat=True))


def answers(dataset: Dataset) -> list[str]:
    return [record.messages[-1]["content"] for record in dataset.records.order_by("pk")]


def test_everything_that_matches_is_changed_and_what_came_later_is_not(chats, ann):
    job = bulk.begin(chats, ann, "accept", Filters(status="new"))
    make(chats, "later")
    assert done(job).line == "10 records accepted."
    assert statuses(chats) == ["accepted"] * 10 + ["new"]
    assert chats.records.first().reviewed_by == ann


@pytest.mark.parametrize("action", ["reject", "label", "replace"])
def test_an_action_that_was_interrupted_goes_on_and_changes_nothing_twice(chats, bob, monkeypatch, action):
    options = {"label": {"labels": ["x"]}, "replace": {"find": "number", "replace": "number number"}}.get(action, {})
    job = bulk.begin(chats, bob, action, Filters(), options=options)
    whole, calls = batches.EditBatch.write, []

    def dying(self, job):
        calls.append(1)
        whole(self, job)
        if len(calls) == 2:
            raise MemoryError  # after the rows, before the cursor: the transaction takes both back

    monkeypatch.setattr(batches.EditBatch, "write", dying)
    assert done(job).status == "failed"
    assert (job.done, job.changed) == (4, 4)
    monkeypatch.setattr(batches.EditBatch, "write", whole)
    job.enqueue()
    assert done(job).changed == 10
    assert job.changes.count() == 10
    assert set(chats.records.values_list("revision", flat=True)) == {2}


def test_a_cancelled_action_keeps_what_it_did_and_that_can_be_undone(chats, bob, monkeypatch):
    job = bulk.begin(chats, bob, "replace", Filters(), options={"find": "number", "replace": "figure"})
    whole = batches.EditBatch.write

    def asking(self, job):
        whole(self, job)
        BulkAction.objects.filter(pk=job.pk).update(cancel_wanted=True)

    monkeypatch.setattr(batches.EditBatch, "write", asking)
    assert done(job).status == "cancelled"
    assert [text.split()[0] for text in answers(chats)] == ["figure"] * 4 + ["number"] * 6
    monkeypatch.setattr(batches.EditBatch, "write", whole)
    assert done(bulk.begin_undo(job, bob)).changed == 4
    assert answers(chats) == [f"number {n}" for n in range(10)]


def test_undo_puts_back_only_what_nobody_changed_since(chats, ann, bob):
    changes.review(chats.records.first(), bob, "skip")
    job = act(chats, ann, "delete")
    assert not chats.records.present().exists()
    undone = done(bulk.begin_undo(job, ann))
    assert undone.line == "10 records restored."
    assert statuses(chats) == ["skipped"] + ["new"] * 9
    job = act(chats, ann, "accept")
    changes.review(chats.records.first(), bob, "reject")
    undone = done(bulk.begin_undo(job, ann))
    assert (undone.changed, undone.left) == (9, 1)
    assert statuses(chats) == ["rejected"] + ["new"] * 9
    assert bulk.begin_undo(job, ann).pk == undone.pk


def test_reviewers_come_back_with_an_undo_unless_they_are_gone(chats, ann, bob):
    first, second = chats.records.order_by("pk")[:2]
    changes.review(first, bob, "accept")
    changes.review(second, ann, "accept")
    job = act(chats, bob, "reject")
    ann.delete()
    done(bulk.begin_undo(job, bob))
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, first.reviewed_by) == ("accepted", bob)
    assert (second.status, second.reviewed_by) == ("accepted", None)


def test_what_is_so_already_is_counted_but_not_changed(chats, ann):
    changes.review(chats.records.first(), ann, "accept")
    assert act(chats, ann, "accept").line == "9 records accepted; 1 was already accepted."


def test_a_selection_by_hand_reaches_only_its_own_dataset(project, chats, ann):
    other = make(settings.create(project, ann, "Other"), "elsewhere")
    act(chats, ann, "accept", Filters(ids=(other.pk, chats.records.first().pk)))
    other.refresh_from_db()
    assert other.status == "new"
    assert statuses(chats).count("accepted") == 1


def test_wrong_wishes_are_refused_with_sentences(chats, ann):
    for action, filters in (("publish", Filters()), ("undo", Filters()), ("accept", Filters(status="deleted"))):
        with pytest.raises(ValidationError):
            bulk.begin(chats, ann, action, filters)
    with pytest.raises(ValidationError, match="still running"):
        bulk.begin_undo(bulk.begin(chats, ann, "accept", Filters()), ann)


@pytest.mark.parametrize(
    ("action", "options", "why"),
    [
        ("accept", {"labels": ["x"]}, "no option"),
        ("label", {"labels": []}, "at least one"),
        ("label", {"labels": [{"a": 1}]}, "text"),
        ("label", {"labels": ["x" * 101]}, "at most 100"),
        ("replace", {"find": ""}, "a text to find"),
        ("replace", {"find": "(", "regex": True}, "a regular expression"),
        ("replace", {"find": "a", "replace": r"\7", "regex": True}, "“Replace with” cannot be read: invalid group"),
        ("replace", {"find": "a", "replace": r"\g<b>", "regex": True}, "“Replace with” cannot be read: unknown group"),
        ("replace", {"find": "a", "replace": "\x00"}, "cannot be stored"),
        ("replace", {"find": "a", "pieces": "dataset__name"}, "`pieces` cannot be"),
        ("fix", {"codes": [{"a": 1}]}, "a problem that can be fixed"),
        ("copy", {"dataset": 10**30}, "Choose a dataset"),
        ("copy", {"dataset": "1; drop"}, "Choose a dataset"),
    ],
)
def test_options_are_an_allow_list(chats, bob, action, options, why):
    with pytest.raises(ValidationError, match=why):
        bulk.begin(chats, bob, action, Filters(), options=options)


def test_the_same_key_gives_the_same_action(chats, ann):
    assert (
        bulk.begin(chats, ann, "accept", Filters(), key="k").pk
        == bulk.begin(chats, ann, "accept", Filters(), key="k").pk
    )


def test_labels_are_given_and_taken_and_new_ones_are_offered(chats, ann):
    first = chats.records.first()
    changes.change(first, ann, "edit", labels=["zebra"])
    job = act(chats, ann, "label", labels=["beta", "alpha", "beta"])
    first.refresh_from_db()
    chats.refresh_from_db()
    assert first.labels == ["alpha", "beta", "zebra"]
    assert chats.labels == ["alpha", "beta"]
    assert act(chats, ann, "label", labels=["alpha"]).line == "0 records labelled; 10 were already labelled."
    assert act(chats, ann, "unlabel", Filters(ids=(first.pk,)), labels=["beta"]).changed == 1
    assert done(bulk.begin_undo(job, ann)).left == 1
    assert sorted(map(str, chats.records.values_list("labels", flat=True))) == ["['alpha', 'zebra']"] + ["[]"] * 9


def test_find_and_replace_checks_and_indexes_anew_and_so_does_its_undo(chats, bob):
    first = chats.records.first()
    job = act(chats, bob, "replace", find="number 0", replace="ZERO", pieces="assistant")
    assert job.line == "1 record changed; 9 do not contain the text."
    now = Record.objects.get(pk=first.pk)
    assert [message["content"] for message in now.messages] == ["number 0", "ZERO"]
    assert now.content_hash != first.content_hash
    assert Filters(q="zero").records(chats).count() == 1
    empty = act(chats, bob, "replace", find="ZERO", replace="")
    assert Record.objects.get(pk=first.pk).problem_count > 0
    done(bulk.begin_undo(empty, bob))
    done(bulk.begin_undo(job, bob))
    now = Record.objects.get(pk=first.pk)
    assert (now.messages, now.content_hash, now.problem_count) == (first.messages, first.content_hash, 0)
    assert Filters(q="zero").records(chats).count() == 0
    assert now.changes.count() == 4


def test_a_pattern_works_with_groups_and_one_that_never_ends_stops_alone(chats, bob):
    job = act(chats, bob, "replace", find=r"(number) (\d)", replace=r"\2 \1", regex=True)
    assert (job.changed, answers(chats)[3]) == (10, "3 number")
    hard = make(chats, "word " * 3000 + "!")
    job = act(chats, bob, "replace", find=r"(\w+\s?)+$", replace="x", regex=True)
    assert (job.status, job.left) == ("done", 1)
    failure = job.failures.get()
    assert failure.record_id == hard.pk
    assert "more than a second" in failure.reason


def test_masking_gives_the_same_value_the_same_placeholder_in_the_whole_record(chats, bob):
    record = make(chats, "Write to eva@example.org", fields={"mail": {"to": ["eva@example.org"]}})
    record.metadata = {"from": "eva@example.org"}
    record.save()
    assert act(chats, bob, "mask").changed == 1
    record.refresh_from_db()
    assert record.messages[1]["content"] == "Write to [EMAIL_1]"
    assert record.fields == {"mail": {"to": ["[EMAIL_1]"]}}
    assert record.metadata == {"from": "[EMAIL_1]"}
    assert act(chats, bob, "mask").changed == 0


def test_masked_arguments_of_a_call_stay_json(chats, bob):
    call = {"id": "a1b2c3d4e", "type": "function", "function": {"name": "write"}}
    call["function"]["arguments"] = '{"to": "eva@example.org", "card": 4111111111111111, "urgent": true}'
    record = make(chats, "x")
    record.messages[1] = {"role": "assistant", "content": "Done.", "tool_calls": [call]}
    record.save()
    act(chats, bob, "mask")
    record.refresh_from_db()
    said = json.loads(record.messages[1]["tool_calls"][0]["function"]["arguments"])
    assert said == {"to": "[EMAIL_1]", "card": "[CARD_1]", "urgent": True}


def test_fixing_takes_the_problems_asked_for_and_can_be_undone(chats, bob):
    record = make(chats, "<p>A <b>bold</b> caf\u00c3\u00a9</p>")
    job = act(chats, bob, "fix", codes=["html"])
    assert (job.changed, answers(chats)[-1]) == (1, "A bold caf\u00c3\u00a9\n")
    assert act(chats, bob, "fix").changed == 1
    assert answers(chats)[-1] == "A bold caf\u00e9\n"
    assert "mojibake" not in {problem["code"] for problem in Record.objects.get(pk=record.pk).problems}
    assert act(chats, bob, "fix").line.startswith("0 records fixed; 11 have nothing to fix")


def test_copies_carry_everything_and_are_made_once(project, chats, alice, bob):
    first = chats.records.first()
    changes.change(first, bob, "edit", labels=["kept"], metadata={"a": 1})
    changes.review(first, bob, "accept")
    other = settings.create(project, alice, "Other")
    job = act(chats, bob, "copy", dataset=other.pk, status="keep")
    assert job.line == "10 records copied."
    copied = other.records.order_by("pk").first()
    assert (copied.source, copied.labels, copied.metadata) == (first, ["kept"], {"a": 1})
    assert (copied.status, copied.content_hash) == ("accepted", first.content_hash)
    assert act(chats, bob, "copy", dataset=other.pk).line == "0 records copied; 10 were already there."
    assert Filters(q="number").records(other).count() == 10
    changes.edit(other.records.select_related("dataset").first(), bob, {"messages.1": "mine"}, 1)
    undone = done(bulk.begin_undo(job, bob))
    assert undone.line == "9 records removed again; 1 skipped because it was changed since."
    assert (undone.changed, undone.left, other.records.present().count()) == (9, 1, 1)
    assert chats.records.present().count() == 10


def test_copying_goes_only_to_a_dataset_of_the_same_project_and_kind(project, chats, alice, bob, charlie):
    strange = settings.create(project, alice, "Documents", kind="documents")
    for target in (chats, strange):
        with pytest.raises(ValidationError):
            bulk.begin(chats, bob, "copy", Filters(), options={"dataset": target.pk})


def test_after_thirty_days_an_action_is_not_undone_and_says_why(chats, ann):
    job = act(chats, ann, "accept")
    BulkAction.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(days=31))
    job.refresh_from_db()
    assert "30 days" in bulk.why_no_undo(job)
    with pytest.raises(ValidationError, match="30 days"):
        bulk.begin_undo(job, ann)
    assert job.changes.count() == 10


def test_an_undo_can_itself_be_undone(chats, bob):
    job = act(chats, bob, "replace", find="number", replace="figure")
    undone = done(bulk.begin_undo(job, bob))
    assert answers(chats)[0] == "number 0"
    assert done(bulk.begin_undo(undone, bob)).changed == 10
    assert answers(chats)[0] == "figure 0"


def test_a_record_that_changes_while_its_batch_is_planned_is_read_again(chats, bob, ann, monkeypatch):
    whole, seen = batches.edits, []

    def slow(edit, coming, job, size):
        batch = whole(edit, coming, job, size)
        if not seen:
            seen.append(1)
            first = chats.records.select_related("dataset").order_by("pk").first()
            changes.edit(first, ann, {"messages.1": "number of Ann"}, first.revision)
        return batch

    monkeypatch.setattr(batches, "edits", slow)
    job = act(chats, bob, "replace", find="number", replace="figure")
    assert (job.status, job.changed) == ("done", 10)
    assert answers(chats)[0] == "figure of Ann"


def test_a_search_is_asked_once_and_not_for_each_batch(chats, bob):
    with CaptureQueriesContext(connection) as asked:
        job = act(chats, bob, "label", Filters(q="number"), labels=["x"])
        undone = done(bulk.begin_undo(job, bob))
    assert (job.changed, undone.changed) == (10, 10)
    word = "MATCH" if connection.vendor == "sqlite" else "to_tsquery"
    # Once to say how many they are, once to do it.
    assert sum(word in query["sql"] for query in asked.captured_queries) == 2


def test_what_stops_matching_before_its_turn_is_left_alone_and_the_rest_is_done(chats, bob, ann, monkeypatch):
    whole, seen = batches.EditBatch.write, []

    def others_work(self, job):
        whole(self, job)
        if not seen:  # a whole batch of four is rejected by somebody else, behind the first one
            seen.extend(chats.records.order_by("pk").values_list("pk", flat=True)[4:8])
            Record.objects.filter(pk__in=seen).update(status="rejected")

    monkeypatch.setattr(batches.EditBatch, "write", others_work)
    job = act(chats, bob, "accept", Filters(status="new"))
    assert (job.status, job.changed) == ("done", 6)
    assert statuses(chats) == ["accepted"] * 4 + ["rejected"] * 4 + ["accepted"] * 2


def test_the_tokens_of_a_batch_are_counted_together(chats, bob, monkeypatch):
    asked, counts = [], student.counts
    monkeypatch.setattr(student, "counts", lambda rows, base: asked.append(len(rows)) or counts(rows, base))
    job = act(chats, bob, "replace", find="number", replace="a much longer text")
    assert asked == [4, 4, 2]
    tokens = list(chats.records.order_by("pk").values_list("tokens", "answer_tokens", "counted_by"))
    assert tokens == [tuple(count) for count in counts(list(chats.records.order_by("pk")))]
    done(bulk.begin_undo(job, bob))
    assert asked == [4, 4, 2] * 2


def test_an_undo_reads_metadata_with_the_batch_and_not_record_by_record(chats, bob):
    chats.records.update(metadata={"place": "number one"})
    job = act(chats, bob, "replace", find="number", replace="figure", pieces="metadata")
    undoing = bulk.begin_undo(job, bob)
    with CaptureQueriesContext(connection) as asked:
        assert done(undoing).changed == 10
    assert chats.records.filter(metadata={"place": "number one"}).count() == 10
    assert len([query for query in asked.captured_queries if query["sql"].startswith("SELECT")]) < 30


def test_a_preview_looks_at_a_record_however_busy_the_machine_is(chats):
    wish = {"find": r"number (\d)", "replace": r"no. \1", "regex": True}
    seen = previews.preview(chats, "replace", Filters(), wish, seconds=0)
    assert (seen.looked, seen.changing, len(seen.examples), seen.is_whole) == (1, 1, 1, False)
    onward = previews.preview(chats, "replace", Filters(), wish, seconds=0, after=seen.after)
    assert (onward.looked, onward.after > seen.after) == (1, True)
