"""Two versions compared: what came, went and changed, by label and source, with paging; and what cannot be compared."""

from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage

from curation.models import Record
from curation.records import derived
from curation.versions import diff as version_diff
from curation.versions import files as version_files
from tests.curation.teacher import conversations
from tests.curation.versions.test_freezes import frozen

pytestmark = pytest.mark.django_db


def add(dataset, text: str, **more) -> Record:
    said = [{"role": "user", "content": text}, {"role": "assistant", "content": f"About {text}."}]
    record = derived.complete(Record(dataset=dataset, messages=said, status="accepted", **more), dataset)
    record.save()
    return record


def rewrite(record: Record, answer: str) -> None:
    record.messages = [record.messages[0], {"role": "assistant", "content": answer}]
    derived.complete(record).save()


def test_a_diff_tells_added_removed_changed_and_same(project):
    dataset = conversations(project, 20)
    first = frozen(dataset)
    records = list(dataset.records.order_by("pk"))
    rewrite(records[0], "Another answer.")
    Record.objects.filter(pk__in=[records[1].pk, records[2].pk]).update(status="rejected")
    fresh = [add(dataset, f"new {n}") for n in range(3)]
    second = frozen(dataset)
    diff = version_diff.between(first, second)
    assert diff.counts == {"added": 3, "removed": 2, "changed": 1}
    assert diff.same == 17
    pairs, following = diff.page("added")
    assert following is None
    assert [row["record"] for row in version_diff.shown(first, second, pairs)] == [record.pk for record in fresh]
    [change] = version_diff.shown(first, second, diff.page("changed")[0])
    assert change["before"]["messages"][1]["content"] == "Answer 0."
    assert change["after"]["messages"][1]["content"] == "Another answer."


def test_the_way_back_turns_added_into_removed(project):
    dataset = conversations(project, 10)
    first = frozen(dataset)
    add(dataset, "new")
    second = frozen(dataset)
    assert version_diff.between(second, first).counts == {"added": 0, "removed": 1, "changed": 0}


def test_the_same_key_with_other_content_is_a_change_and_the_same_content_is_none(project):
    dataset = conversations(project, 10)
    by_key = add(dataset, "keyed", key="a1")
    again = add(dataset, "again")
    first = frozen(dataset)
    Record.objects.filter(pk__in=[by_key.pk, again.pk]).update(status="rejected")
    new = add(dataset, "keyed anew", key="a1", source_group=by_key.source_group)
    add(dataset, "again", source_group=again.source_group)
    diff = version_diff.between(first, frozen(dataset))
    assert diff.counts == {"added": 0, "removed": 0, "changed": 1}
    assert diff.same == 11
    [change] = version_diff.shown(first, new.dataset.versions.get(number=2), diff.page("changed")[0])
    assert change["record"] == new.pk


def test_differences_are_counted_by_label_and_source(project):
    dataset = conversations(project, 5)
    first = frozen(dataset)
    add(dataset, "one", labels=["news"], origin="imported from a.jsonl")
    add(dataset, "two", labels=["news", "sport"], origin="imported from a.jsonl")
    diff = version_diff.between(first, frozen(dataset))
    assert diff.labels["news"] == {"added": 2, "removed": 0, "changed": 0}
    assert diff.labels["sport"]["added"] == 1
    assert diff.sources == {"imported from a.jsonl": {"added": 2, "removed": 0, "changed": 0}}


def test_pages_by_key_show_every_difference_once(project):
    dataset = conversations(project, 5)
    first = frozen(dataset)
    fresh = [add(dataset, f"new {n}").pk for n in range(25)]
    second = frozen(dataset)
    diff, cursor, seen = version_diff.between(first, second), 0, []
    while cursor is not None:
        pairs, cursor = diff.page("added", cursor, 10)
        seen += [row["record"] for row in version_diff.shown(first, second, pairs)]
    assert seen == fresh


def test_the_second_look_comes_from_the_kept_file(project, monkeypatch):
    dataset = conversations(project, 5)
    first = frozen(dataset)
    add(dataset, "new")
    second = frozen(dataset)
    asked = version_diff.between(first, second)
    monkeypatch.setattr(version_diff, "_compare", lambda *_: pytest.fail("compared again"))
    kept = version_diff.between(first, second)
    assert (kept.counts, kept.same, kept.labels, kept.sources) == (
        asked.counts,
        asked.same,
        asked.labels,
        asked.sources,
    )


def test_a_half_written_kept_file_is_made_anew(project, settings):
    dataset = conversations(project, 5)
    first, second = frozen(dataset), frozen(dataset)
    version_diff.between(first, second)
    [path] = (Path(settings.DATA_DIR) / "diffs").iterdir()
    path.write_bytes(path.read_bytes()[:50])
    assert version_diff.between(first, second).same == 5


def test_versions_of_two_datasets_are_refused(project):
    first, second = frozen(conversations(project, 5)), frozen(conversations(project, 5, name="Other"))
    with pytest.raises(ValidationError, match="to different datasets"):
        version_diff.between(first, second)


def test_a_flipped_byte_in_a_line_is_refused(project):
    dataset = conversations(project, 10)
    first = frozen(dataset)
    rewrite(dataset.records.first(), "Another.")
    second = frozen(dataset)
    pairs, _ = version_diff.between(first, second).page("changed")
    for file in second.files.values():
        path = Path(default_storage.path(file["name"]))
        path.write_bytes(path.read_bytes().replace(b"Another.", b"Anather."))
    with pytest.raises(version_files.DamagedVersion, match="differs from what was frozen"):
        list(version_diff.shown(first, second, pairs))
