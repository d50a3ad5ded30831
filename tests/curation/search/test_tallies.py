"""Kept counts are what counting gives, whatever is written, by whatever way."""

import threading
from collections import Counter

import pytest
from django.db import connection, transaction
from django.db.models import F, Sum
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.datasets import settings as dataset_settings
from curation.models import Dataset, Mark, Record, Tally
from curation.records import derived
from curation.search import counts as record_counts
from curation.search import tallies, tally_sql

LABELS = st.lists(st.sampled_from(["good", "bad", "long"]), max_size=3)
CODES = st.lists(st.sampled_from(["empty", "pii"]), max_size=2)
VALUES = st.fixed_dictionaries(
    {
        "status": st.sampled_from(Record.Status.values),
        "split": st.sampled_from(["train", "test"]),
        "language": st.sampled_from(["", "fr", "de"]),
        "words": st.sampled_from([0, 1, 9, 10, 55, 20_000]),
        "labels": LABELS,
        "problems": CODES.map(lambda codes: [{"code": code, "message": "x"} for code in codes]),
        "deleted": st.booleans(),
    }
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "add many", "save", "update", "delete", "wipe"]), VALUES, st.integers(0, 5)),
    max_size=8,
)


def columns(values: dict) -> dict:
    given = {key: value for key, value in values.items() if key != "deleted"}
    return given | {
        "deleted_at": timezone.now() if values["deleted"] else None,
        "problem_count": len(values["problems"]),
        "reviewed_by": None,
    }


def record(dataset: Dataset, values: dict) -> Record:
    made = derived.complete(Record(dataset=dataset, fields={"text": "x"}), dataset)
    for name, value in columns(values).items():
        setattr(made, name, value)
    return made


def counted(dataset: Dataset) -> Counter:
    """Count as a reader of the records would."""
    found: Counter = Counter()
    for row in dataset.records.all():
        if row.deleted_at:
            found["deleted", "deleted"] += 1
            continue
        bucket = max(begin for begin in tally_sql.LENGTHS if begin <= row.words)
        found.update([("status", row.status), ("split", row.split), ("length", str(bucket)), ("source", "0")])
        found.update([("language", row.language)] if row.language else [])
        found.update([("annotator", str(row.reviewed_by_id))] if row.reviewed_by_id else [])
        found.update([("problems", "some")] if row.problem_count else [])
        found.update({("label", label) for label in row.labels})
        found.update({("problem", problem["code"]) for problem in row.problems})
    return found


def kept(dataset: Dataset) -> Counter:
    rows = Tally.objects.filter(dataset=dataset).values_list("facet", "value").annotate(n=Sum("count")).order_by()
    return Counter({(facet, value): n for facet, value, n in rows if n})


def marks(dataset: Dataset) -> set:
    return {
        (row.pk, *mark)
        for row in dataset.records.all()
        for mark in [*(("label", x) for x in row.labels), *(("problem", p["code"]) for p in row.problems)]
    }


def do(dataset: Dataset, step: str, values: dict, place: int) -> None:
    pks = list(dataset.records.order_by("pk").values_list("pk", flat=True))
    if step == "add":
        record(dataset, values).save()
    elif step == "add many":
        Record.objects.bulk_create([record(dataset, values) for _ in range(place)])
    elif step == "update":
        dataset.records.filter(pk__in=pks[place:]).update(**columns(values))
    elif step == "wipe":
        dataset.records.filter(pk__in=pks[place:]).delete()
    elif pks:
        one = dataset.records.get(pk=pks[place % len(pks)])
        if step == "delete":
            one.delete()
        else:
            for name, value in columns(values).items():
                setattr(one, name, value)
            one.save()


@pytest.mark.django_db
@settings(deadline=None, max_examples=60)
@given(steps=STEPS)
def test_tallies_and_marks_are_what_counting_gives_after_every_write(steps):
    from atelier.accounts.models import Project, Team

    with transaction.atomic():
        project = Project.objects.create(team=Team.objects.create(name="T"), name="P")
        dataset = dataset_settings.create(project, None, "D")
        for step in steps:
            do(dataset, *step)
            assert kept(dataset) == counted(dataset), step
        found = set(Mark.objects.filter(dataset=dataset).values_list("record_id", "kind", "value"))
        assert found == marks(dataset)
        transaction.set_rollback(True)


def test_a_review_moves_a_record_from_one_count_to_another(project, alice):
    dataset = dataset_settings.create(project, alice, "Chats")
    one = derived.complete(Record(dataset=dataset, fields={"text": "x"}), dataset)
    one.save()
    assert record_counts.counts(dataset)["new"] == 1
    Record.objects.filter(pk=one.pk).update(status="accepted", reviewed_by=alice, revision=F("revision") + 1)
    assert kept(dataset)["annotator", str(alice.pk)] == 1
    assert record_counts.counts(dataset) == {"all": 1, "new": 0, "accepted": 1, "rejected": 0, "skipped": 0}


def test_installing_again_changes_nothing_and_counting_anew_gives_the_same(project, alice):
    dataset = dataset_settings.create(project, alice, "Chats")
    Record.objects.bulk_create(
        derived.complete(Record(dataset=dataset, fields={"text": "x"}, labels=["b", "a"]), dataset) for _ in range(3)
    )
    before = kept(dataset)
    tallies.install()
    assert kept(dataset) == before == counted(dataset)
    tallies.recount()
    assert kept(dataset) == before
    assert Mark.objects.filter(dataset=dataset, kind="label").count() == 6


def test_a_project_can_be_deleted_with_all_its_counts(project, alice):
    dataset = dataset_settings.create(project, alice, "Chats")
    derived.complete(Record(dataset=dataset, fields={"text": "x"}, labels=["a"]), dataset).save()
    project.delete()
    connection.check_constraints()
    assert not Tally.objects.filter(dataset_id=dataset.pk).exists()
    assert not Mark.objects.exists()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
@pytest.mark.django_db(transaction=True)
def test_writers_at_once_neither_deadlock_nor_lose_a_count(project, alice):
    dataset = dataset_settings.create(project, alice, "Chats")
    rows = [derived.complete(Record(dataset=dataset, fields={"text": "x"}), dataset) for _ in range(160)]
    Record.objects.bulk_create(rows)
    pks = list(dataset.records.order_by("pk").values_list("pk", flat=True))
    errors: list[Exception] = []

    def work(mine: list[int], turn: int) -> None:
        try:
            for number, pk in enumerate(mine):
                with transaction.atomic():
                    first, second = ("status", "split") if (number + turn) % 2 else ("split", "status")
                    for name in (first, second):
                        value = {"status": "accepted", "split": "test"}[name]
                        Record.objects.filter(pk=pk).update(**{name: value}, labels=[f"l{number % 3}"])
        except Exception as error:  # it is compared below: no thread may fail
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(pks[n::8], n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert kept(dataset) == counted(dataset)
