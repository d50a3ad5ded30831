"""Near-duplicates in texts: what is found of planted pairs, what is not, and how the pieces behave."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import dedup
from tests.bench.gen_chat import rows

TEXT = "The council of Fennick voted late at night to ban all parking on Quay Street from the first day of June."


def sketched(texts: list[str]) -> dedup.Sketches:
    sketches = dedup.Sketches()
    sketches.add(range(10, 10 + len(texts)), texts)
    return sketches


def found(texts: list[str]) -> set[tuple[int, int]]:
    sets = [dedup.shingle_set(text) for text in texts]
    pairs = sketched(texts).candidates()
    return {(a, b) for a, b in pairs if dedup.similarity(sets[a - 10], sets[b - 10]) >= dedup.THRESHOLD}


def test_case_marks_and_white_space_make_no_difference():
    assert dedup.words("It's  LATE, “they”\tsaid.\n") == dedup.words("it s late they said")
    assert sketched([TEXT, TEXT.upper().replace(" ", "\n "), TEXT + " Now."]).exact() == [[10, 11]]


def test_both_ways_to_words_agree_on_ascii():
    assert dedup.words("Foo_bar 1.5-Baz!") == [b"foo_bar", b"1", b"5", b"baz"]
    assert dedup.words("Foo_bar 1.5-Baz!é")[:4] == dedup.words("Foo_bar 1.5-Baz!")[:3] + [b"baz"]


def test_scripts_without_blanks_are_compared_by_character():
    a, b = "今日はとても良い天気ですね。散歩に行きましょう。", "今日はとても良い天気ですね。買い物に行きましょう。"
    assert dedup.similarity(dedup.shingle_set(a), dedup.shingle_set(b)) > dedup.THRESHOLD


def test_the_order_of_words_counts():
    assert dedup.similarity(dedup.shingle_set("one two three"), dedup.shingle_set("three two one")) == 0


def test_similarity_is_jaccards():
    a, b = (np.array(values, dtype=np.uint64) for values in ([1, 2, 3], [2, 3, 4, 5]))
    assert dedup.similarity(a, b) == pytest.approx(2 / 5)
    assert dedup.similarity(a, a) == 1
    assert dedup.similarity(a, a[:0]) == 0


def test_texts_without_words_are_like_nothing():
    sketches = sketched(["", "!!!", "…"])
    assert (len(sketches), sketches.exact(), list(sketches.candidates())) == (0, [], [])
    assert found([TEXT]) == set()


def test_an_edited_copy_is_found_across_batches():
    sketches = dedup.Sketches()
    sketches.add([5], [TEXT])
    sketches.add([2, 9], [TEXT.replace("late", "early"), "Something else altogether, of which there is one."])
    assert list(sketches.candidates()) == [(2, 5)]


def test_one_template_in_every_text_makes_no_flood_of_pairs():
    pairs = list(sketched([f"{TEXT} {TEXT} number {n}" for n in range(400)]).candidates())
    assert len(pairs) <= 400 * dedup.BUCKET * 3
    assert len(set(dedup.clusters(pairs).values())) == 1


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
    named = dedup.clusters(pairs)
    assert set(named) == {key for pair in pairs for key in pair}
    assert all(named[a] == named[b] for a, b in pairs)
    for top in set(named.values()):
        members, reached = {key for key, name in named.items() if name == top}, {top}
        for _ in members:
            reached |= {key for pair in pairs if set(pair) & reached for key in pair}
        assert (min(members), reached) == (top, members)
