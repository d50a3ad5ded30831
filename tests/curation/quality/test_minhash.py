"""Near-duplicates in texts: what is found of planted pairs, what is not, and how the pieces behave."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.quality import minhash, shingles
from tests.bench.gen_chat import rows

TEXT = "The council of Fennick voted late at night to ban all parking on Quay Street from the first day of June."


def sketched(texts: list[str]) -> minhash.Sketches:
    sketches = minhash.Sketches()
    sketches.add(range(10, 10 + len(texts)), texts)
    return sketches


def alike(a: str, b: str) -> float:
    return shingles.similarity(shingles.Shingled.of(a), shingles.Shingled.of(b))


def found(texts: list[str]) -> set[tuple[int, int]]:
    sets = [shingles.Shingled.of(text) for text in texts]
    pairs = sketched(texts).candidates()
    return {(a, b) for a, b in pairs if shingles.similarity(sets[a - 10], sets[b - 10]) >= minhash.THRESHOLD}


def test_case_marks_and_white_space_make_no_difference():
    assert shingles.words("It's  LATE, “they”\tsaid.\n") == shingles.words("it s late they said")
    assert sketched([TEXT, TEXT.upper().replace(" ", "\n "), TEXT + " Now."]).exact() == [[10, 11]]


def test_both_ways_to_words_agree_on_ascii():
    assert shingles.words("Foo_bar 1.5-Baz!") == [b"foo_bar", b"1", b"5", b"baz"]
    assert shingles.words("Foo_bar 1.5-Baz!é")[:4] == shingles.words("Foo_bar 1.5-Baz!")[:3] + [b"baz"]


def test_scripts_without_blanks_are_compared_by_character():
    a, b = "今日はとても良い天気ですね。散歩に行きましょう。", "今日はとても良い天気ですね。買い物に行きましょう。"
    assert shingles.similarity(shingles.Shingled.of(a), shingles.Shingled.of(b)) > minhash.THRESHOLD


def test_the_order_of_words_counts():
    assert alike("one two three four", "four three two one") < minhash.THRESHOLD
    assert alike(TEXT * 3, " ".join(reversed((TEXT * 3).split()))) == 0


def test_similarity_is_jaccards():
    a, b = (np.array(values, dtype=np.uint64) for values in ([1, 2, 3], [2, 3, 4, 5]))
    assert shingles.jaccard(a, b) == pytest.approx(2 / 5)
    assert shingles.jaccard(a, a) == 1
    assert shingles.jaccard(a, a[:0]) == 0


def test_texts_without_words_are_like_nothing():
    sketches = sketched(["", "!!!", "…"])
    assert (len(sketches), sketches.exact(), list(sketches.candidates())) == (0, [], [])
    assert found([TEXT]) == set()


def test_an_edited_copy_is_found_across_batches():
    sketches = minhash.Sketches()
    sketches.add([5], [TEXT])
    sketches.add([2, 9], [TEXT.replace("late", "early"), "Something else altogether, of which there is one."])
    assert list(sketches.candidates()) == [(2, 5)]


def test_one_template_in_every_text_makes_no_flood_of_pairs():
    pairs = list(sketched([f"{TEXT} {TEXT} number {n}" for n in range(400)]).candidates())
    assert len(pairs) <= 400 * minhash.BUCKET * 3
    assert len(set(minhash.clusters(pairs).values())) == 1


def test_a_text_with_few_near_duplicates_keeps_all_candidates_beside_a_template():
    letters = [f"{TEXT} {TEXT} number {n}" for n in range(400)]
    few = [f"Boats lay in the harbour of Tarn all through that long and quiet winter of {year}" for year in range(12)]
    sketches = sketched([*letters, *few])
    pairs = {pair for pair in sketches.candidates() if pair[0] >= 410}
    assert pairs == {(a, b) for a in range(410, 422) for b in range(a + 1, 422)}
    assert sketches.crowded <= set(range(10, 410))
    assert len(sketches.crowded) > 300


def test_copies_of_the_same_words_crowd_nothing_out():
    sketches = sketched([TEXT] * 100)
    assert len(sketches.exact()[0]) == 100
    assert list(sketches.candidates())
    assert sketches.crowded == set()


def test_planted_duplicates_are_found_and_related_texts_are_not():
    texts, duplicates, related = [], set(), set()
    for place, (row, link) in enumerate(rows(1500, seed=3, dups=0.1, near=0.05)):
        texts.append("\n".join(message["content"] for message in row["messages"]))
        if link:
            (related if link.how == "related" else duplicates).add((link.origin + 10, place + 10))
    pairs = found(texts)
    origin = {b: a for a, b in duplicates}
    true = [pair for pair in pairs if origin.get(pair[0], pair[0]) == origin.get(pair[1], pair[1])]
    assert len(duplicates) > 100
    assert len(related) > 50
    assert len(pairs & duplicates) / len(duplicates) >= 0.95
    assert len(true) / len(pairs) >= 0.95
    assert not pairs & related


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60))
def test_clusters_are_the_connected_parts_named_by_their_smallest(pairs):
    named = minhash.clusters(pairs)
    assert set(named) == {key for pair in pairs for key in pair}
    assert all(named[a] == named[b] for a, b in pairs)
    for top in set(named.values()):
        members, reached = {key for key, name in named.items() if name == top}, {top}
        for _ in members:
            reached |= {key for pair in pairs if set(pair) & reached for key in pair}
        assert (min(members), reached) == (top, members)


PAIRS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).filter(lambda pair: pair[0] < pair[1]), unique=True)


@given(PAIRS)
def test_the_nearest_pairs_hold_groups_together_and_leave_few_neighbours_alone(pairs):
    nearest, kept = minhash.NearestPairs(3), []
    for pair in pairs:
        if nearest.wants(*pair):
            nearest.keep(*pair)
            kept.append(pair)
    assert minhash.clusters(kept) == minhash.clusters(pairs)
    given_, left = degrees(pairs), degrees(kept)
    assert all(left[key] >= min(3, given_[key]) for key in given_)
    assert nearest.bounded == {key for pair in set(pairs) - set(kept) for key in pair}


def degrees(pairs: list[tuple[int, int]]) -> Counter[int]:
    return Counter(key for pair in pairs for key in pair)


@given(PAIRS)
def test_connected_rows_have_the_smallest_of_them_as_their_label(pairs):
    first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    labels = minhash.connected(31, first, second)
    named = minhash.clusters(pairs)
    assert labels.tolist() == [named.get(key, key) for key in range(31)]
