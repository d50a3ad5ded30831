"""Near-duplicates beside texts that share a frame: precision and recall of the check on a labelled set, and odd inputs."""

import random
from collections import Counter
from itertools import pairwise

import pytest

from curation.models import Dataset, Record
from curation.quality import jobs
from curation.records import derived
from curation.tasks import check
from tests.curation.quality import frames

pytestmark = pytest.mark.django_db
Pairs = set[tuple[int, int]]


def found(project, texts: list[str], **options) -> Pairs:
    """Return the pairs that the check of a dataset of these texts finds, by their places."""
    dataset = Dataset.objects.create(project=project, name=f"Set {Dataset.objects.count()}", kind="documents")
    records = [Record(dataset=dataset, fields={"text": text}) for text in texts]
    for record in records:
        derived.complete(record, dataset, texts=False)
    places = {record.pk: at for at, record in enumerate(Record.objects.bulk_create(records))}
    job = jobs.begin(dataset, None, "duplicates", **options)
    check(job.pk)
    job.refresh_from_db()
    assert job.status == "done", job.error
    return {(places[a], places[b]) for a, b in dataset.near_duplicates.values_list("first_id", "second_id")}


def score(pairs: Pairs, wanted: dict[tuple[int, int], str]) -> tuple[float, float, Counter[str]]:
    """Return precision, recall, and how often each change was missed."""
    missed = Counter(how for pair, how in wanted.items() if pair not in pairs)
    return len(pairs & wanted.keys()) / max(1, len(pairs)), 1 - missed.total() / len(wanted), missed


@pytest.mark.parametrize("seed", [1, 2])
def test_planted_pairs_are_found_and_nothing_else(project, seed):
    texts, wanted = frames.planted(seed)
    precision, recall, missed = score(found(project, texts), wanted)
    print(f"planted pairs, seed {seed}: {len(wanted)} pairs, precision {precision:.3f}, recall {recall:.3f}")
    assert precision >= 0.95
    assert recall >= 0.95, missed


@pytest.mark.parametrize("name", frames.FRAMES)
def test_what_shares_a_frame_is_no_near_duplicate(project, name):
    texts = frames.FRAMES[name](random.Random(4))
    pairs = found(project, texts)
    print(f"frame {name}: {len(texts)} texts, {len(pairs)} pairs")
    assert len(pairs) <= 0.02 * len(texts), [(texts[a], texts[b]) for a, b in pairs]


@pytest.mark.parametrize("name", frames.FRAMES)
def test_copies_within_a_frame_are_found(project, name):
    texts, wanted = frames.planted_in_frame(5, name, every=3)
    precision, recall, missed = score(found(project, texts), wanted)
    print(f"copies in frame {name}: {len(wanted)} pairs, precision {precision:.3f}, recall {recall:.3f}", dict(missed))
    assert precision >= 0.85  # of few pairs; of all frames together at least 0.95, as the next test says
    assert recall >= 0.85, missed


def test_all_of_it_in_one_dataset(project):
    texts, wanted = frames.planted(6, of_each=8)
    for name in frames.FRAMES:
        more, pairs = frames.planted_in_frame(7, name)
        wanted |= {(a + len(texts), b + len(texts)): how for (a, b), how in pairs.items()}
        texts = texts + more
    precision, recall, missed = score(found(project, texts), wanted)
    print(f"all in one: {len(texts)} texts, {len(wanted)} pairs, precision {precision:.3f}, recall {recall:.3f}")
    assert precision >= 0.95
    assert recall >= 0.95, missed


TOWNS = ["Oslo", "Rome", "Lima", "Cairo", "Tokyo", "Paris", "Madrid", "Vienna", "Accra", "Quito"]
LONG = frames.prose(random.Random(9), 12)
# Sets that hold no near-duplicates, though their texts are alike.
ALIKE = {
    "the fact comes first": [f"{town}: is it a city of the north?" for town in TOWNS],
    "the fact is in the middle, the answer alike": [f"Does the train to {town} stop at night?\nYes, in {town}." for town in TOWNS],
    "two facts in other roles": [f"Who won, {a} against {b}?\n{a}." for a, b in pairwise(TOWNS)],
    "a long instruction before a short text": [f"{LONG}\nText: {town} {number} is near {word}." for number, (town, word) in enumerate(zip(TOWNS, frames.WORDS, strict=False))],
    "rows of a table": [f"| {town} | {number * 7} | {word} |" for number, (town, word) in enumerate(zip(TOWNS, frames.WORDS, strict=False))],
    "addresses": [f"Mail to {town.lower()}{number}@mail.example was returned on {number + 3} May" for number, town in enumerate(TOWNS)],
    "code with other names": [f"def {town.lower()}(x):\n    return x.{word}({number})" for number, (town, word) in enumerate(zip(TOWNS, frames.WORDS, strict=False))],
    "JSON of one shape": [f'{{"city": "{town}", "size": {number * 31}, "kind": "{word}"}}' for number, (town, word) in enumerate(zip(TOWNS, frames.WORDS, strict=False))],
    "one word each": TOWNS,
    "numbers alone": [str(number * 7919) for number in range(10)],
    "blanks and marks": ["", " ", "…", "!!!", "?", "—"],
    "letters of other scripts": [f"Столица страны {a} называется {b}." for a, b in zip(["Чили", "Перу", "Куба", "Иран", "Непал", "Катар"], ["Сантьяго", "Лима", "Гавана", "Тегеран", "Катманду", "Доха"], strict=True)],
}  # fmt: skip


@pytest.mark.parametrize("texts", ALIKE.values(), ids=ALIKE)
def test_odd_texts_of_one_frame_are_no_near_duplicates(project, texts):
    assert not found(project, texts)


# Pairs that are near-duplicates, beside ten texts of the frame that the first of them belongs to, or beside none.
COPY = "What is the harbour of Fennick called by those who live on its islands?\nThe old basin."
SAME = {
    "two letters swapped": COPY.replace("harbour", "habrour"),
    "a letter dropped": COPY.replace("islands", "islans"),
    "capitals": COPY.upper(),
    "no marks": COPY.replace("?", "").replace(".", ""),
    "a word more": COPY.replace("old basin", "old stone basin"),
    "a word less": COPY.replace("old basin", "basin"),
    "a sentence behind": f"{COPY} Nobody knows why it has that name.",
    "a sentence before": f"I have a question. {COPY}",
    "turned round": "The old basin.\nWhat is the harbour of Fennick called by those who live on its islands?",
    "line breaks": COPY.replace(" ", "\n"),
    "another word": COPY.replace("called", "named"),
    "two typos": COPY.replace("harbour", "harbor").replace("islands", "ilsands"),
}


@pytest.mark.parametrize("beside", [[], [COPY.replace("Fennick", town).replace("old basin", word) for town, word in zip(TOWNS, frames.WORDS[1:], strict=False)]], ids=["alone", "in a frame"])  # fmt: skip
@pytest.mark.parametrize("changed", SAME.values(), ids=SAME)
def test_odd_copies_are_near_duplicates(project, changed, beside):
    assert found(project, [COPY, changed, *beside]) == {(0, 1)}


def test_a_higher_threshold_finds_closer_copies_only(project):
    texts = [COPY, COPY.replace("called", "named"), COPY.upper()]
    assert found(project, texts, threshold=0.42) >= {(0, 2), (0, 1)}
    assert found(project, texts, threshold=0.99) == {(0, 2)}
