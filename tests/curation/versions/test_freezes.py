"""Versions: immutable, numbered, the same content gives the same hash, and a flipped byte is noticed."""

import threading
from pathlib import Path

import orjson
import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import connection

from atelier.accounts.models import Project
from curation import tasks
from curation.models import Dataset, Record, Version, VersionEntry
from curation.records import derived
from curation.tokens import counting
from curation.versions import files as version_files
from curation.versions import freezes, lineage
from tests.curation.teacher import conversations, documents

pytestmark = pytest.mark.django_db


def frozen(dataset, **more) -> Version:
    version = freezes.create(dataset, None, **more)
    tasks.freeze(version.pk)
    version.refresh_from_db()
    assert version.status == "done", version.error
    return version


def test_a_version_holds_every_accepted_record_once(project):
    dataset = conversations(project, 40)
    dataset.records.filter(pk__in=dataset.records.order_by("pk")[:3].values("pk")).update(status="rejected")
    version = frozen(dataset)
    rows = [row for split in version.files for row in version_files.rows(version, split)]
    assert len(rows) == version.rows == sum(version.counts().values()) == 37
    assert len({row["messages"][0]["content"] for row in rows}) == 37
    assert set(rows[0]) == {"id", "messages", "metadata"}
    assert version.entries.count() == 37
    assert version.words > 0
    assert version.tokens["train"]["tokenizer"] == "estimate"


def test_each_entry_names_its_row_in_the_file(project):
    version = frozen(conversations(project, 20))
    for split in version.files:
        rows = list(version_files.rows(version, split))
        for entry in version.entries.filter(split=split).select_related("record"):
            assert rows[entry.row - 1]["messages"] == entry.record.messages


def test_the_same_content_has_the_same_hash_in_another_project(project, team):
    other = Project.objects.create(team=team, name="Other")
    conversations(other, 3, name="Shifts the ids")
    first, second = frozen(conversations(project, 30)), frozen(conversations(other, 30))
    assert first.content_hash == second.content_hash
    assert first.files == second.files


def test_another_seed_gives_another_hash(project):
    dataset = conversations(project, 30)
    assert frozen(dataset, seed=1).content_hash != frozen(dataset, seed=2).content_hash


def test_records_of_one_source_stay_on_one_side(project):
    dataset = conversations(project, 60)
    for n, record in enumerate(dataset.records.order_by("pk")):
        Record.objects.filter(pk=record.pk).update(source_group=f"{n // 6:064d}")
    version = frozen(dataset)
    sides = set(version.entries.values_list("record__source_group", "split"))
    assert len(sides) == 10


def test_numbers_follow_each_other_in_a_dataset(project):
    dataset = conversations(project, 5)
    assert [frozen(dataset).number for _ in range(3)] == [1, 2, 3]


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite's tests run in memory, where a second writer is refused at once"
)
@pytest.mark.django_db(transaction=True)
def test_freezes_at_the_same_time_get_different_numbers(project):
    dataset = conversations(project, 3)
    made, errors = [], []

    def freeze() -> None:
        try:
            made.append(freezes.create(dataset, None).number)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=freeze) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sorted(made) == [1, 2, 3, 4]


def test_a_flipped_byte_is_noticed_before_use(project):
    version = frozen(conversations(project, 10))
    path = default_storage.path(version.files["train"]["name"])
    content = bytearray(Path(path).read_bytes())
    content[20] ^= 1
    Path(path).write_bytes(content)
    with pytest.raises(version_files.DamagedVersion, match="differs from what was frozen"):
        version_files.open_split(version, "train")
    with pytest.raises(version_files.DamagedVersion):
        list(version_files.export(version, "train"))
    assert "freeze the dataset again" in version_files.verify(version)[0]


def test_a_missing_file_is_a_sentence(project):
    version = frozen(conversations(project, 10))
    default_storage.delete(version.files["train"]["name"])
    with pytest.raises(version_files.DamagedVersion, match="missing"):
        version_files.open_split(version, "train")


def test_freezing_again_fixes_a_broken_file_of_the_same_content(project):
    dataset = conversations(project, 10)
    first = frozen(dataset)
    path = default_storage.path(first.files["train"]["name"])
    Path(path).write_bytes(b"broken")
    second = frozen(dataset)
    assert second.files == first.files
    assert not version_files.verify(first)


def test_later_edits_do_not_touch_a_version(project):
    dataset = conversations(project, 10)
    version = frozen(dataset)
    before = [row for split in version.files for row in version_files.rows(version, split)]
    dataset.records.update(messages=[])
    assert [row for split in version.files for row in version_files.rows(version, split)] == before


def test_an_interrupted_freeze_begins_anew_and_doubles_nothing(project):
    version = freezes.create(conversations(project, 10), None)
    record = version.dataset.records.first()
    VersionEntry.objects.create(version=version, record=record, revision=1, split="train")
    tasks.freeze(version.pk)
    assert version.entries.count() == 10


def test_a_frozen_version_does_not_run_again(project):
    version = frozen(conversations(project, 3))
    tasks.freeze(version.pk)
    assert not version.enqueue()
    assert not version.cancel()


@pytest.mark.parametrize(
    ("status", "sentence"),
    [("rejected", "accepted yet"), ("new", "accepted yet")],
)
def test_an_empty_version_is_refused(project, status, sentence):
    with pytest.raises(ValidationError, match=sentence):
        freezes.create(conversations(project, 3, status=status), None)


def test_documents_are_refused_with_what_to_do(project):
    with pytest.raises(ValidationError, match="Distil it first"):
        freezes.create(documents(project), None)


@pytest.mark.parametrize(
    "shares", [{"train": 0.5, "validation": 0.1, "test": 0.1}, {"train": 0, "test": 1}, {"dev": 1}]
)
def test_shares_that_do_not_add_up_are_refused(project, shares):
    with pytest.raises(ValidationError):
        freezes.create(conversations(project, 3), None, shares=shares)


def test_problems_are_grouped_with_their_records(project):
    dataset = conversations(project, 6)
    said = [{"role": "user", "content": "And?"}]
    problem = {
        "code": "last-role",
        "message": "The last message must be from the assistant.",
        "where": "",
        "fixable": True,
    }
    bad = dataset.records.order_by("pk")[:2]
    for record in bad:
        record.messages, record.problems, record.problem_count = said, [problem], 1
        record.save()
    version = frozen(dataset)
    [found] = version.problems
    assert (found["code"], found["count"]) == ("last-role", 2)
    assert found["records"] == [record.pk for record in bad]
    assert frozen(dataset, filters={"status": "accepted", "problems": "none"}).rows == 4


def test_the_same_content_in_two_splits_is_refused_unless_it_is_allowed(project):
    dataset = conversations(project, 40)
    dataset.records.update(content_hash="ab" * 32)
    version = freezes.create(dataset, None)
    tasks.freeze(version.pk)
    version.refresh_from_db()
    assert version.status == "failed"
    assert "records are also in another split with the same content" in version.error
    assert "in_two_splits" in [problem["code"] for problem in frozen(dataset, allow_leaks=True).problems]


def test_preferences_keep_both_answers(project):
    dataset = Dataset.objects.create(project=project, name="Votes", kind="preferences", shares={"train": 1})
    Record.objects.create(
        dataset=dataset,
        messages=[{"role": "user", "content": "Q"}],
        chosen=[{"role": "assistant", "content": "A"}],
        rejected=[{"role": "assistant", "content": "B"}],
        status="accepted",
        content_hash="cd" * 32,
        source_group="g",
        split="train",
        preview="Q",
    )
    [row] = version_files.rows(frozen(dataset, shares={"train": 1, "validation": 0, "test": 0}), "train")
    assert row["prompt"] == [{"role": "user", "content": "Q"}]
    assert row["chosen"][0]["content"] == "A"


def test_lineage_leads_back_to_distillations_and_sources(project):
    from tests.curation.teacher import endpoint, started, teacher_server

    with teacher_server() as server:
        job = started(project, endpoint(project, server.url), documents(project, 4), mark_accepted_by="the sample")
        tasks.distil(job.pk)
    version = frozen(job.target)
    found = lineage.sources(version)
    assert [(made.pk, made.taken) for made in found["distillations"]] == [(job.pk, 4)]
    assert [source.name for source in found["sources"]] == ["Raw briefs"]


def test_a_bare_export_has_messages_alone(project):
    version = frozen(conversations(project, 10))
    line = next(version_files.export(version, "train", bare=True))
    assert set(orjson.loads(line)) == {"messages"}


def test_no_half_written_file_has_a_content_name(project, monkeypatch):
    """Storage takes the finished file over by renaming: there is no moment at which a part of it is there."""
    seen = []
    monkeypatch.setattr(version_files.TemporaryFile, "chunks", lambda *_: seen.append("copied"))
    frozen(conversations(project, 3))
    assert not seen


def put_student(settings, vocabulary: dict[str, int]) -> None:
    """Install a tokenizer of whole words where the student's is looked for."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = settings.MODELS_DIR / "smollm2-135m-instruct"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))


def test_tokens_are_counted_by_the_student_s_tokenizer_where_it_is(project, settings):
    put_student(settings, {"[UNK]": 0})
    version = frozen(conversations(project, 1), shares={"train": 1, "validation": 0, "test": 0})
    # "Question", "0", "?" and "Answer", "0", ".", each message with five marks around it.
    assert version.tokens == {"train": {"prompt": 8, "answer": 8, "longest": 16, "tokenizer": "smollm2-135m-instruct"}}


def test_what_the_checks_counted_with_the_same_tokenizer_is_not_counted_again(project, settings, monkeypatch):
    put_student(settings, {"[UNK]": 0})
    dataset = conversations(project, 30)
    edited = dataset.records.first()
    edited.messages = [{"role": "user", "content": "One two three"}, {"role": "assistant", "content": "Four"}]
    derived.complete(edited, texts=False).save()  # as an import leaves it: not counted
    counted, count = [], counting.TokenCounter.count
    monkeypatch.setattr(counting.TokenCounter, "count", lambda self, texts: counted.extend(texts) or count(self, texts))
    stored = frozen(dataset).tokens
    assert counted == ["One two three", "Four"]
    dataset.records.update(counted_by=None)
    assert frozen(dataset).tokens == stored
    assert len(counted) == 2 + 60


def test_what_another_tokenizer_counted_is_counted_anew(project, settings):
    dataset = conversations(project, 3)  # estimated, for no tokenizer is there yet
    dataset.records.update(tokens=1000, answer_tokens=900)
    shares = {"train": 1, "validation": 0, "test": 0}
    assert frozen(dataset, shares=shares).tokens["train"]["longest"] == 1000
    put_student(settings, {"[UNK]": 0})
    assert frozen(dataset, shares=shares).tokens["train"]["longest"] == 16
    mark = counting.TokenCounter.of_base().mark
    put_student(settings, {"[UNK]": 0, "Answer": 1})
    assert counting.TokenCounter.of_base().mark != mark


def test_of_preferences_the_better_answer_is_counted_whatever_the_checks_counted(project):
    dataset = Dataset.objects.create(project=project, name="Pairs", kind="preferences")
    said = [{"role": "user", "content": "Why?"}]
    good, bad = (
        [{"role": "assistant", "content": text}] for text in ("Because.", "Because of this and that and more.")
    )
    record = Record(dataset=dataset, messages=said, chosen=good, rejected=bad, status="accepted")
    derived.complete(record, dataset).save()
    assert record.tokens > 20
    version = frozen(dataset, shares={"train": 1, "validation": 0, "test": 0})
    assert (version.tokens["train"]["prompt"], version.tokens["train"]["answer"]) == (6, 6)
