"""Records: revisions, history, the order of lists."""

import pytest
from django.core.exceptions import ValidationError

from curation.datasets import settings
from curation.models import Dataset, Record
from curation.records import changes, derived, history, pieces, splits
from curation.search import filters
from curation.search import pages as search_pages
from curation.search.filters import Filters


@pytest.fixture
def chats(project, alice) -> Dataset:
    return settings.create(project, alice, "Chats")


def make(dataset: Dataset, text: str, **more) -> Record:
    record = Record(
        dataset=dataset,
        messages=[{"role": "user", "content": f"Say {text}"}, {"role": "assistant", "content": text}],
        **more,
    )
    derived.complete(record).save()
    return record


def test_an_edit_keeps_what_was_before_and_checks_again(chats, ann):
    record = make(chats, "one")
    changes.edit(record, ann, {"messages.1": "uno\r\ndue", "messages.99": "no such place", "status": "accepted"}, 1)
    record.refresh_from_db()
    assert (record.messages[1]["content"], record.revision, record.status) == ("uno\ndue", 2, "new")
    old_hash = record.content_hash
    changes.edit(record, ann, {"messages.1": ""}, 2)
    record.refresh_from_db()
    assert record.problem_count == 1
    assert record.content_hash != old_hash
    assert [entry.change.actor for entry in history.entries(record)] == ["ann", "ann"]


def test_a_stale_edit_is_a_conflict_and_writes_nothing(chats, ann, bob):
    record, same = make(chats, "one"), None
    same = Record.objects.get(pk=record.pk)
    changes.edit(record, ann, {"messages.1": "Ann's"}, 1)
    with pytest.raises(changes.Conflict) as conflict:
        changes.edit(same, bob, {"messages.1": "Bob's"}, 1)
    assert conflict.value.record.messages[1]["content"] == "Ann's"
    assert record.changes.count() == 1


def test_restoring_is_a_change_of_its_own(chats, ann):
    record = make(chats, "one")
    first = changes.edit(record, ann, {"messages.1": "two"}, 1)
    changes.review(record, ann, "accept")
    changes.restore(Record.objects.select_related("dataset").get(pk=record.pk), ann, first)
    record.refresh_from_db()
    assert (record.messages[1]["content"], record.status, record.revision) == ("one", "accepted", 4)
    assert record.changes.count() == 3


def test_reviewing_twice_changes_once(chats, ann):
    record = make(chats, "one")
    assert changes.review(record, ann, "accept", 1) is not None
    record = Record.objects.select_related("dataset").get(pk=record.pk)
    assert changes.review(record, ann, "accept", 2) is None
    assert record.reviewed_by == ann
    with pytest.raises(ValidationError):
        changes.review(record, ann, "publish")


def test_parts_are_edited_where_they_stand(chats, ann):
    record = make(chats, "one")
    record.messages[1]["content"] = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "one"}]
    record.save()
    assert [piece.name for piece in pieces.read(record)] == ["messages.0", "messages.1.0", "messages.1.1"]
    changes.edit(record, ann, {"messages.1.1": "two"}, 1)
    record.refresh_from_db()
    assert record.messages[1]["content"] == [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "two"}]


def test_a_text_with_nul_is_refused(chats, ann):
    with pytest.raises(ValidationError, match="NUL"):
        changes.edit(make(chats, "one"), ann, {"messages.1": "a\x00b"}, 1)


@pytest.mark.parametrize("sort", list(filters.SORTS))
def test_pages_by_key_show_each_record_once_in_both_directions(chats, sort):
    for n in range(23):
        make(chats, "word " * (n % 4))
    chosen = Filters(sort=sort)
    seen, after, last = [], "", None
    while True:
        page = search_pages.page(chosen, chats, after=after, size=5)
        seen += [record.pk for record in page.records]
        if page.after is None:
            break
        last, after = page, page.after
    everything = list(chats.records.order_by(*chosen.order()).values_list("pk", flat=True))
    assert seen == everything
    back = search_pages.page(chosen, chats, before=page.before, size=5)
    assert [r.pk for r in back.records] == [r.pk for r in last.records]
    middle = Record.objects.get(pk=everything[10])
    assert chosen.neighbours(middle, chats) == (everything[9], everything[11])


def test_filters_are_an_allow_list():
    for bad in (
        {"status": "x"},
        {"sort": "-dataset__name"},
        {"import": "1 or 1"},
        {"import": 10**30},
        {"ids": ["a"]},
        {"ids": list(range(2000))},
    ):
        with pytest.raises(ValidationError):
            Filters.read(bad)
    assert Filters.read({"password": "x", "q": None}) == Filters()
    assert Filters.read(Filters(q="a", status="new", ids=(1,)).as_dict()) == Filters(q="a", status="new", ids=(1,))


def test_a_bad_cursor_is_a_sentence(chats):
    for cursor in ("x", "1", "~", f"{10**30}~1", "1~x"):
        with pytest.raises(ValidationError):
            search_pages.page(Filters(sort="longest"), chats, after=cursor)


def test_a_source_never_changes_sides_and_shares_are_kept():
    shares = {"train": 0.8, "validation": 0.1, "test": 0.1}
    sides = [splits.assign(17, f"group {n}", shares) for n in range(5000)]
    assert sides == [splits.assign(17, f"group {n}", shares) for n in range(5000)]
    assert abs(sides.count("train") / 5000 - 0.8) < 0.03
    assert splits.assign(17, "x", {"train": 1.0, "validation": 0, "test": 0}) == "train"
    for bad in (
        {"train": 0.5},
        {"train": "x"},
        {"train": -1, "test": 2},
        {"dev": 1},
        {"train": 0, "test": 1},
        {"train": float("nan")},
    ):
        with pytest.raises(ValidationError):
            splits.clean_shares(bad)
