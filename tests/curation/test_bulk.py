"""Bulk actions: done in batches, resumed, undone as one."""

import pytest
from django.core.exceptions import ValidationError

from curation import bulk, contents, datasets, records
from curation.filters import Filters
from curation.models import BulkAction, Dataset, Record
from curation.tasks import bulk as bulk_task


@pytest.fixture
def chats(project, alice, monkeypatch) -> Dataset:
    monkeypatch.setattr(bulk, "BATCH", 4)
    dataset = datasets.create(project, alice, "Chats")
    for n in range(10):
        make(dataset, f"number {n}")
    return dataset


def make(dataset: Dataset, text: str) -> Record:
    record = Record(
        dataset=dataset, messages=[{"role": "user", "content": text}, {"role": "assistant", "content": text}]
    )
    contents.complete(record).save()
    return record


def done(job: BulkAction) -> BulkAction:
    bulk_task(job.pk)
    job.refresh_from_db()
    return job


def statuses(dataset: Dataset) -> list[str]:
    return list(dataset.records.order_by("pk").values_list("status", flat=True))


def test_everything_that_matches_is_changed_and_what_came_later_is_not(chats, ann):
    job = bulk.begin(chats, ann, "accept", Filters(status="new"))
    make(chats, "later")
    assert done(job).line == "10 records accepted."
    assert statuses(chats) == ["accepted"] * 10 + ["new"]
    assert chats.records.first().reviewed_by == ann


def test_an_action_that_was_interrupted_goes_on(chats, ann, monkeypatch):
    job = bulk.begin(chats, ann, "reject", Filters())
    whole, calls = bulk._change_batch, []

    def dying(job):
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError
        return whole(job)

    monkeypatch.setattr(bulk, "_change_batch", dying)
    assert done(job).status == "failed"
    assert (job.done, job.changed) == (4, 4)
    monkeypatch.setattr(bulk, "_change_batch", whole)
    job.enqueue()
    assert done(job).changed == 10
    assert job.changes.count() == 10


def test_undo_puts_back_only_what_nobody_changed_since(chats, ann, bob):
    records.review(chats.records.first(), bob, "skip")
    job = done(bulk.begin(chats, ann, "delete", Filters()))
    assert not chats.records.present().exists()
    undone = done(bulk.begin_undo(job, ann))
    assert undone.line == "10 records put back."
    assert statuses(chats) == ["skipped"] + ["new"] * 9
    job = done(bulk.begin(chats, ann, "accept", Filters()))
    records.review(chats.records.first(), bob, "reject")
    undone = done(bulk.begin_undo(job, ann))
    assert (undone.changed, undone.left) == (9, 1)
    assert statuses(chats) == ["rejected"] + ["new"] * 9
    assert bulk.begin_undo(job, ann).pk == undone.pk


def test_reviewers_come_back_with_an_undo(chats, ann, bob):
    first = chats.records.first()
    records.review(first, bob, "accept")
    job = done(bulk.begin(chats, ann, "reject", Filters()))
    done(bulk.begin_undo(job, ann))
    first.refresh_from_db()
    assert (first.status, first.reviewed_by) == ("accepted", bob)


def test_what_is_so_already_is_counted_but_not_changed(chats, ann):
    records.review(chats.records.first(), ann, "accept")
    job = done(bulk.begin(chats, ann, "accept", Filters()))
    assert job.line == "9 records accepted; 1 were so already."


def test_a_selection_by_hand_reaches_only_its_own_dataset(project, chats, ann):
    other = make(datasets.create(project, ann, "Other"), "elsewhere")
    done(bulk.begin(chats, ann, "accept", Filters(ids=(other.pk, chats.records.first().pk))))
    other.refresh_from_db()
    assert other.status == "new"
    assert statuses(chats).count("accepted") == 1


def test_wrong_wishes_are_refused_with_sentences(chats, ann):
    for action, filters in (("publish", Filters()), ("undo", Filters()), ("accept", Filters(status="deleted"))):
        with pytest.raises(ValidationError):
            bulk.begin(chats, ann, action, filters)
    with pytest.raises(ValidationError, match="still runs"):
        bulk.begin_undo(bulk.begin(chats, ann, "accept", Filters()), ann)


def test_the_same_key_gives_the_same_action(chats, ann):
    assert (
        bulk.begin(chats, ann, "accept", Filters(), key="k").pk
        == bulk.begin(chats, ann, "accept", Filters(), key="k").pk
    )
