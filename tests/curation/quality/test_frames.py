"""Near-duplicates beside texts that share a frame: precision and recall of the check on a labelled set, and odd inputs."""

import random
from collections import Counter

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
