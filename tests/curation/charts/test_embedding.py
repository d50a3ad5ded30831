"""Vectors and places of texts: neighbours share their subject and language, and the same texts give the same map."""

import csv
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from curation.charts import layout
from curation.charts.embedding import Embedding
from tests.bench import gen_chat

SAMPLE = Path(__file__).parents[3] / "curation" / "sample"


def shared(points, labels, near: int = 5) -> tuple[float, float]:
    """Return (share of the nearest five that have the same label, share that chance would give)."""
    labels = np.array(labels)
    apart = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1)[:, :near]
    chance = sum(((labels == one).sum() / len(labels)) ** 2 for one in set(labels.tolist()))
    return float((labels[nearest] == labels[:, None]).mean()), float(chance)


@cache
def briefs() -> tuple[list[str], list[str]]:
    """Return the sample's 144 briefs with the recorded rewrites of a teacher, as a dataset of conversations holds them."""
    with (SAMPLE / "briefs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    answers = [json.loads(line) for line in (SAMPLE / "answers.jsonl").read_text("utf-8").splitlines()]
    said = {row["id"]: row["answer"] for row in answers}
    return [f"{row['text']}\n{said[row['id']]}" for row in rows], [row["topic"] for row in rows]


@cache
def chats(count: int = 600) -> tuple[list[str], list[str]]:
    rows = [row for row, _ in gen_chat.rows(count)]
    texts = ["\n".join(message["content"] for message in row["messages"]) for row in rows]
    return texts, [row["metadata"]["lang"] for row in rows]


def test_neighbours_among_144_briefs_share_their_topic_far_more_often_than_by_chance():
    texts, topics = briefs()
    _, vectors = Embedding.learn([texts])
    found, chance = shared(vectors, topics)
    assert found > 2.5 * chance  # seen: 0.165, by chance 0.056
    on_map, _ = shared(layout.spread(vectors), topics)
    assert on_map > 1.6 * chance  # seen: 0.126


@pytest.mark.slow
def test_neighbours_speak_the_same_language():
    texts, languages = chats()
    _, vectors = Embedding.learn([texts[:300], texts[300:]])
    assert shared(vectors, languages)[0] > 0.97
    assert shared(layout.spread(vectors), languages)[0] > 0.97


@pytest.mark.slow
def test_the_same_texts_give_the_same_map_and_others_lie_among_their_like():
    texts, languages = chats()
    learnt, vectors = Embedding.learn([texts[:400]])
    spots = layout.spread(vectors)
    assert np.array_equal(spots, layout.spread(Embedding.learn([texts[:400]])[1]))
    placed = layout.Map(vectors, spots).place(learnt.vectors(texts[400:]), np.arange(400, 600))
    assert shared(np.concatenate([spots, placed]), languages)[0] > 0.95
    assert placed.min() >= 0
    assert placed.max() <= 1


def test_vectors_of_a_batch_are_those_that_were_learned():
    texts, _ = briefs()
    learnt, vectors = Embedding.learn([texts[:100], texts[100:]])
    assert np.allclose(learnt.vectors(texts[90:110]), vectors[90:110], atol=1e-4)


@pytest.mark.slow
def test_a_cluster_of_near_copies_lies_close_and_its_members_are_seen_apart():
    texts, _ = chats()
    copies = [f"{texts[0]} Number {n}." for n in range(6)]
    _, vectors = Embedding.learn([[*texts[:300], *copies]])
    spots = layout.spread(vectors)[300:]
    assert np.ptp(spots, axis=0).max() < 0.1
    assert len(np.unique(spots, axis=0)) == 6


@pytest.mark.parametrize(
    "texts",
    [[], [""], ["one"], ["one", "two"], ["", "…", "🙂🙂"], ["same same"] * 5, ["漢字 テスト", "漢字 試験", "x"]],
)
def test_few_and_odd_texts_have_places_too(texts):
    learnt, vectors = Embedding.learn([texts])
    spots = layout.spread(vectors)
    placed = layout.Map(vectors, spots).place(learnt.vectors(texts), np.arange(len(texts)))
    for found in (spots, placed):
        assert found.shape == (len(texts), 2)
        assert np.isfinite(found).all()
        assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.slow
def test_what_has_no_word_lies_at_the_foot_of_the_map():
    texts, _ = briefs()
    _, vectors = Embedding.learn([[*texts, "…"]])
    spots = layout.spread(vectors)
    assert spots[-1, 1] < layout.FLOOR <= spots[:-1, 1].min()


def test_no_learning_at_all_is_possible_from_no_batch():
    learnt, vectors = Embedding.learn([])
    assert vectors.shape[0] == 0
    assert learnt.vectors(["a word"]).shape[0] == 1
