"""Freezing what was made from a template: a hundred near-duplicates a record take seconds, and can be cancelled."""

import threading
import time

import pytest
from django.db import connection
from django.urls import reverse

from curation import tasks
from curation.models import Check, Dataset, Record, Version
from curation.quality import jobs, minhash
from curation.records import derived, splits
from curation.versions import freezes, leaks
from tests.curation.teacher import conversations
from tests.speed import patient

RECORDS, NEIGHBOURS = 3001, 79  # as a template gave them: 234,000 pairs


def pair_up(dataset: Dataset, neighbours: int) -> None:
    """Pair each record with the so many that follow it."""
    with connection.cursor() as cursor:
        for distance in range(1, neighbours + 1):
            cursor.execute(
                "INSERT INTO curation_nearduplicate (dataset_id, first_id, second_id, similarity, crosses)"
                " SELECT one.dataset_id, one.id, other.id, 0.9, %s FROM curation_record one"
                " JOIN curation_record other ON other.id = one.id + %s AND other.dataset_id = one.dataset_id"
                " WHERE one.dataset_id = %s",
                [False, distance, dataset.pk],
            )


@pytest.fixture
def templated(project) -> Dataset:
    dataset = conversations(project, RECORDS)
    pair_up(dataset, NEIGHBOURS)
    return dataset


@pytest.mark.django_db
def test_records_that_all_resemble_each_other_are_frozen_in_seconds(templated):
    version = freezes.create(templated, None, allow_leaks=True)
    started = time.process_time()
    tasks.freeze(version.pk)
    took = time.process_time() - started
    version.refresh_from_db()
    assert (version.status, version.rows) == ("done", RECORDS)
    assert version.figures["leaks"] > 50_000
    assert took < patient(15), "by the square it takes a quarter of an hour"


@pytest.mark.django_db(transaction=True)
def test_cancel_is_obeyed_while_pairs_are_compared(templated):
    version = freezes.create(templated, None, allow_leaks=True)
    wished: list[float] = []

    def cancel_while_it_compares() -> None:
        try:
            end = time.monotonic() + patient(60)
            while time.monotonic() < end and not wished:
                row = Version.objects.get(pk=version.pk)
                if "near-duplicates" in row.line:
                    row.cancel()
                    wished.append(time.monotonic())
        finally:
            connection.close()

    watcher = threading.Thread(target=cancel_while_it_compares)
    watcher.start()
    tasks.freeze(version.pk)
    ended = time.monotonic()
    watcher.join()
    version.refresh_from_db()
    assert (version.status, version.files) == ("cancelled", {})
    assert ended - wished[0] < patient(2)


@pytest.mark.django_db
def test_pairs_with_a_record_that_is_not_taken_do_not_count(project):
    dataset = conversations(project, 40)
    pair_up(dataset, 39)
    shares = {"train": 0.5, "validation": 0.25, "test": 0.25}
    both = freeze(dataset, {"status": "accepted"}, shares)
    trained = [entry.record_id for entry in both.entries.filter(split="train")]
    assert both.figures["leaks"] == parted(both)
    dataset.records.exclude(pk__in=trained).update(status="rejected")
    assert freeze(dataset, {"status": "accepted"}, shares).figures["leaks"] == 0


# --- what the check keeps of them ----------------------------------------------------------------

HALVES = {"train": 0.5, "test": 0.5}
LETTER = "Dear customer, thank you for your order. It has left our house in Fennick and arrives on Quay Street by noon."
TERMS = (
    "Goods that broke on their way are replaced without any charge if somebody writes to us within ten days, and "
    "whatever else went wrong we put right as soon as spring comes back and roads are open."
)


def copy(text: str, number: int) -> str:
    """Return a copy with one word replaced, at a place of its own as far as there are places."""
    words = text.split()
    words[number % len(words)] = "".join(chr(ord("a") + int(digit)) for digit in f"{number:04}")
    return " ".join(words)


def letters(project, texts: list[str]) -> Dataset:
    dataset = Dataset.objects.create(project=project, name="Letters")
    for number, text in enumerate(texts):
        said = [{"role": "user", "content": "Write."}, {"role": "assistant", "content": text}]
        record = Record(dataset=dataset, messages=said, status="rejected", source_group=f"letter {number}")
        derived.complete(record, dataset).save()
    return dataset


def look(dataset: Dataset) -> Check:
    job = jobs.begin(dataset, None, "duplicates")
    tasks.check(job.pk)
    job.refresh_from_db()
    assert job.status == "done", job.error
    return job


def frozen_of_accepted(dataset: Dataset, **options) -> Version:
    version = freezes.create(dataset, None, filters={"status": "accepted"}, shares=HALVES, **options)
    tasks.freeze(version.pk)
    version.refresh_from_db()
    return version


def part(dataset: Dataset, first: int, second: int) -> None:
    """Put two records into different splits, and accept them alone."""
    for pk, side in ((first, "train"), (second, "test")):
        group = next(name for name in map(str, range(999)) if splits.assign(dataset.seed, name, HALVES) == side)
        Record.objects.filter(pk=pk).update(source_group=group, status="accepted")


@pytest.fixture
def template(project) -> Dataset:
    return letters(project, [copy(f"{LETTER} {TERMS}", number) for number in range(300)])


@pytest.mark.django_db
def test_of_a_template_few_pairs_a_record_are_kept_and_said_so(template, as_bob, bob_api):
    job = look(template)
    pks = list(template.records.values_list("pk", flat=True))
    assert 0 < job.found["bounded"] <= len(pks)
    assert template.near_duplicates.count() <= minhash.NEAREST * len(pks)
    assert set(template.records.values_list("cluster", flat=True)) == {min(pks)}
    told = f"{job.found['bounded']:,} records resemble so many others"
    assert told in job.line
    page = reverse("curation:leaks", args=[template.project_id, template.pk])
    assert told in as_bob.get(page).content.decode()
    pairs = bob_api.get(f"/api/projects/{template.project_id}/datasets/{template.pk}/duplicates?limit=1").json()
    assert pairs["bounded"] == job.found["bounded"]


@pytest.mark.django_db
def test_a_template_on_both_sides_is_refused_with_at_least_so_many(template, as_bob, bob_api):
    look(template)
    template.records.update(status="accepted")
    version = frozen_of_accepted(template)
    assert version.error.startswith(f"At least {version.figures['leaks']:,} pairs of near-duplicates")
    address = f"/projects/{template.project_id}/versions/{version.pk}"
    assert "resemble so many others" in as_bob.get(f"{address}/leaks").content.decode()
    assert bob_api.get(f"/api{address}/leaks").json()["bounded"] > 0
    assert bob_api.get(f"/api{address}").json()["leaks_at_least"] is True
    allowed = frozen_of_accepted(template, allow_leaks=True)
    assert allowed.status == "done", allowed.error
    assert f"At least {allowed.figures['leaks']:,} pairs of near-duplicates are" in allowed.card


@pytest.mark.django_db
def test_two_of_a_template_whose_pair_was_left_out_may_not_part(template, as_bob):
    look(template)
    a, *others = template.records.order_by("pk").values_list("pk", flat=True)
    b = next(b for b in others if not template.near_duplicates.filter(first=a, second=b).exists())
    part(template, a, b)
    version = frozen_of_accepted(template)
    assert (version.status, version.figures["leaks"]) == ("failed", 1)
    assert f"records {a} and {b}" in version.error
    assert [(leak.first, leak.second) for leak in leaks.of(version)] == [(a, b)]
    assert (
        f"/records/{b}" in as_bob.get(f"/projects/{template.project_id}/versions/{version.pk}/leaks").content.decode()
    )
    assert leaks.allow(version)
    tasks.freeze(version.pk)
    version.refresh_from_db()
    assert (version.status, version.figures["leaks"]) == ("done", 1)


@pytest.mark.django_db
def test_two_ends_of_a_chain_may_part_when_its_middle_is_not_taken(project):
    words = [f"word{number}" for number in range(86)]
    # Windows of sixty words: neighbours share enough, the first and the last do not.
    texts = [" ".join(words[start : start + 60]) for start in (0, 13, 26)]
    dataset = letters(project, texts)
    first, _, last = dataset.records.order_by("pk").values_list("pk", flat=True)
    look(dataset)
    assert dataset.near_duplicates.count() == 2
    part(dataset, first, last)
    version = frozen_of_accepted(dataset)
    assert (version.status, version.figures["leaks"]) == ("done", 0), version.error


@pytest.mark.django_db
def test_records_with_few_near_duplicates_keep_every_pair(project):
    dataset = letters(project, [copy(LETTER, number) for number in range(12)])
    job = look(dataset)
    assert (job.found["pairs"], job.found["bounded"]) == (66, 0)
    assert "resemble so many" not in job.line


def freeze(dataset: Dataset, filters: dict, shares: dict) -> Version:
    version = freezes.create(dataset, None, filters=filters, shares=shares, allow_leaks=True)
    tasks.freeze(version.pk)
    version.refresh_from_db()
    assert version.status == "done", version.error
    return version


def parted(version: Version) -> int:
    """Count all pairs of its records that are in different splits."""
    sizes = version.counts().values()
    return (sum(sizes) ** 2 - sum(size**2 for size in sizes)) // 2
