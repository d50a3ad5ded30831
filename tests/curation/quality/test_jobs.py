"""Checks as jobs: what an import sets off, what a check writes and leaves alone, and that a kill loses nothing."""

import pytest

from atelier.jobs.claims import Claim
from atelier.jobs.models import Status
from curation.datasets import settings as dataset_settings
from curation.models import Check, Dataset, NearDuplicate, Record
from curation.quality import duplicates, jobs, minhash
from curation.records import derived
from curation.tasks import check

LONG = "The council of Fennick voted late at night to ban all parking on Quay Street from the first day of June, by seven to two."
# Copies of it that differ in a word each, at different places: what one replaced, the others have.
COPIES = [LONG.replace(*each) for each in (("late", "early"), ("ban", "forbid"), ("Quay", "Dock"), ("June", "July"))]


@pytest.fixture
def chats(project, alice) -> Dataset:
    return dataset_settings.create(project, alice, "Chats")


def chat(question: str, answer: str = "That is a good question, and here is a long answer to it.") -> list[dict]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def make(dataset: Dataset, *questions: str, **values) -> list[Record]:
    """Create records as an import leaves them: not yet checked."""
    rows = [Record(dataset=dataset, messages=chat(question), **values) for question in questions]
    for row in rows:
        derived.complete(row, dataset, texts=False).save()
    return rows


def run(dataset: Dataset, part: str = "texts", **options) -> Check:
    job = jobs.begin(dataset, None, part, **options)
    check(job.pk)
    job.refresh_from_db()
    assert job.status == Status.DONE, job.error
    return job


def codes(record: Record) -> list[str]:
    record.refresh_from_db()
    return [problem["code"] for problem in record.problems]


def test_what_was_imported_is_looked_at_once_and_keeps_its_revision(chats):
    clean, dirty = make(chats, "Why is the sky blue?", "<p>Write to a@b.example</p>")
    job = run(chats)
    assert (codes(clean), codes(dirty)) == ([], ["html", "pii-email"])
    assert (dirty.revision, dirty.problem_count, dirty.language, dirty.is_checked) == (1, 2, "en", True)
    assert dirty.tokens > 10
    assert (job.found, job.done) == ({"looked_at": 2, "with_problems": 1, "with_errors": 0}, 2)
    assert run(chats).line == "No records were new or changed."


def test_an_edit_is_looked_at_at_once(chats, bob):
    from curation.records import changes

    [record] = make(chats, "Why?")
    changes.edit(record, bob, {"messages.0": "Ask me at 4111 1111 1111 1111, please do."}, revision=1)
    assert codes(record) == ["pii-card"]
    assert record.is_checked


def test_an_error_keeps_from_training_and_a_warning_is_worth_a_look(chats):
    [record] = make(chats, "<p>x</p>")
    Record.objects.filter(pk=record.pk).update(messages=chat("<p>x</p>")[:1])
    job = run(chats)
    record.refresh_from_db()
    assert {p["code"]: p["severity"] for p in record.problems} == {"last-not-assistant": "error", "html": "warning"}
    assert job.found["with_errors"] == 1


def test_a_record_changed_meanwhile_is_looked_at_in_another_round(chats, monkeypatch):
    first, second = make(chats, "One?", "Two?")
    look, touched = jobs.look, []

    def slowly(rows, *rest):
        found = look(rows, *rest)
        if not touched:
            touched.append(Record.objects.filter(pk=first.pk).update(messages=chat("<p>New</p>"), revision=2))
        return found

    monkeypatch.setattr(jobs, "look", slowly)
    run(chats)
    assert (codes(first), first.is_checked, first.revision) == (["html"], True, 2)
    assert codes(second) == []


def test_a_check_that_is_killed_between_batches_goes_on_with_the_rest(chats, monkeypatch):
    make(chats, *(f"Question {n}?" for n in range(9)))
    monkeypatch.setattr(jobs, "BATCH", 4)
    job = jobs.begin(chats, None, "texts")
    look, calls = jobs.look, []

    def dying(rows, *rest):
        calls.append(len(rows))
        if len(calls) == 2:
            raise SystemExit
        return look(rows, *rest)

    monkeypatch.setattr(jobs, "look", dying)
    with pytest.raises(SystemExit):
        check(job.pk)
    job.refresh_from_db()
    assert (job.status, job.done, chats.records.filter(is_checked=True).count()) == ("queued", 4, 4)
    check(job.pk)
    job.refresh_from_db()
    assert (job.status, job.done, job.found["looked_at"], calls) == ("done", 9, 9, [4, 4, 4, 1])


def test_everything_is_looked_at_again_when_asked(chats):
    make(chats, "One?", "Two?")
    run(chats)
    Record.objects.update(problems=[{"code": "stale"}], problem_count=1)
    assert run(chats, everything=True).found["looked_at"] == 2
    assert not chats.records.filter(problem_count__gt=0).exists()


def test_lengths_are_unusual_beside_the_others_only(chats):
    make(chats, *(f"Question number {n} about the harbour and its boats?" for n in range(60)))
    [giant] = make(chats, "word " * 5000)
    run(chats)
    assert "very-long" in codes(giant)
    assert chats.records.filter(problem_count__gt=0).count() == 1


def test_what_is_longer_than_the_students_context_is_an_error(chats, settings):
    folder = settings.MODELS_DIR / "any-base"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"max_position_embeddings": 20}')
    tokenizer = '{"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":null,"truncation":null,"padding":null,"model":{"type":"WordLevel","vocab":{"x":0},"unk_token":"x"}}'
    (folder / "tokenizer.json").write_text(tokenizer)
    [long] = make(chats, "one two three four five six seven eight nine ten eleven twelve")
    run(chats)
    assert codes(long) == ["too-long"]
    assert long.tokens == 12 + 15 + 10  # words and marks of both messages, then five for the frame of each


def test_a_check_asked_for_twice_is_one(chats):
    first = jobs.begin(chats, None, "texts", key="k")
    assert jobs.begin(chats, None, "texts", key="k") == first
    assert jobs.begin(chats, None, "texts") == first
    assert jobs.begin(chats, None, "duplicates") != first


def test_an_import_is_followed_by_both_checks_and_a_checked_dataset_by_none(chats):
    make(chats, "One?")
    assert [job.part for job in jobs.follow(chats, grown=True)] == ["texts", "duplicates"]
    assert [job.part for job in jobs.follow(chats)] == ["texts"]
    run(chats)
    assert jobs.follow(chats, grown=True) == []


# --- near-duplicates -----------------------------------------------------------------------------


def pairs(dataset: Dataset) -> list[tuple[int, int]]:
    return sorted(dataset.near_duplicates.values_list("first_id", "second_id"))


def test_near_duplicates_become_pairs_and_clusters(chats):
    a, b, c, d = make(
        chats, LONG, LONG.replace("late", "early"), LONG.upper(), "Something else that nobody has asked before."
    )
    job = run(chats, "duplicates")
    assert (a.pk, c.pk) in pairs(chats)
    assert {record.cluster for record in chats.records.filter(pk__in=[a.pk, b.pk, c.pk])} == {a.pk}
    assert Record.objects.get(pk=d.pk).cluster is None
    assert (job.found["exact"], job.found["clusters"], job.found["in_clusters"]) == (1, 1, 3)
    assert NearDuplicate.objects.get(first=a, second=c).similarity == 1.0


def test_another_check_makes_the_pairs_what_they_are_now(chats):
    a, b = make(chats, LONG, LONG + " Really.")
    run(chats, "duplicates")
    before = NearDuplicate.objects.get().pk
    run(chats, "duplicates")
    assert NearDuplicate.objects.get().pk == before
    Record.objects.filter(pk=b.pk).update(messages=chat("No more like it in any way."))
    run(chats, "duplicates")
    assert pairs(chats) == []
    assert not chats.records.filter(cluster__isnull=False).exists()
    assert a.pk


def test_pairs_in_different_splits_are_marked_as_crossing(chats):
    a, b = make(chats, LONG, LONG + " Really.")
    Record.objects.filter(pk=a.pk).update(split="train")
    Record.objects.filter(pk=b.pk).update(split="test")
    assert run(chats, "duplicates").found["crossing"] == 1
    Record.objects.filter(pk=b.pk).update(split="train")
    assert run(chats, "duplicates").found["crossing"] == 0


def test_the_systems_part_makes_no_duplicates(chats):
    for text in (
        "What is rain made of, and why does it fall?",
        "Name three rivers of the north that freeze in winter.",
    ):
        record = Record(
            dataset=chats, messages=[{"role": "system", "content": LONG * 5}, *chat(text, f"About: {text}")]
        )
        derived.complete(record, chats).save()
    run(chats, "duplicates")
    assert pairs(chats) == []


def test_a_check_killed_while_it_writes_ends_the_same_when_done_again(chats, monkeypatch):
    make(chats, *COPIES)
    monkeypatch.setattr(duplicates, "WRITTEN", 2)
    job = jobs.begin(chats, None, "duplicates")
    add, calls = duplicates.add, []

    def dying(*given):
        calls.append(1)
        if len(calls) == 2:
            raise SystemExit
        add(*given)

    monkeypatch.setattr(duplicates, "add", dying)
    with pytest.raises(SystemExit):
        check(job.pk)
    assert len(pairs(chats)) == 2
    check(job.pk)
    assert len(pairs(chats)) == len(set(pairs(chats))) == 6
    assert len(set(chats.records.values_list("cluster", flat=True))) == 1


def test_a_wish_to_cancel_is_obeyed(chats):
    make(chats, "One?")
    job = jobs.begin(chats, None, "duplicates")
    claim = Claim(Check.claim_row(job.pk, 60))
    job.cancel()
    from atelier.jobs.claims import JobCancelled

    with pytest.raises(JobCancelled):
        duplicates.run(claim)


def test_a_wish_to_cancel_is_obeyed_between_two_bands(chats, monkeypatch):
    make(chats, LONG, LONG + " Really.")
    job, look, looked = jobs.begin(chats, None, "duplicates"), minhash._Search.look, []

    def cancelling(search, band):
        looked.append(band)
        if band == 2:
            job.cancel()
        look(search, band)

    monkeypatch.setattr(minhash._Search, "look", cancelling)
    check(job.pk)
    job.refresh_from_db()
    assert (job.status, looked, pairs(chats)) == ("cancelled", [0, 1, 2], [])
