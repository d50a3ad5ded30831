"""The data card of a version says how far people agreed on its records, and on no others."""

import re

import pytest

from curation import tasks
from curation.annotation import agreement, answers, questions, queue
from curation.models import Annotation, Record, Version
from curation.versions import card as data_card
from curation.versions import freezes


def answer(box, user, *tones: str) -> None:
    for tone in tones:
        answers.submit(queue.next_task(box, user), {"tone": tone}, 1)


def frozen(dataset, **filters) -> Version:
    version = freezes.create(dataset, None, filters=filters, shares={"train": 1})
    tasks.freeze(version.pk)
    version.refresh_from_db()
    assert version.status == "done", version.error
    return version


@pytest.fixture
def answered(waiting, ann, bob):
    """Four records, answered by both: they differ on the last; a fifth by one of them."""
    box = waiting(5, overlap=2)
    answer(box, ann, "plain", "plain", "loud", "loud", "plain")
    answer(box, bob, "plain", "plain", "loud", "plain")
    return box.dataset


def test_the_card_has_the_measures_of_its_records(answered):
    version = frozen(answered)
    assert "8 answers to 4 of its records that several people answered." in version.card
    [row] = [line for line in version.card.splitlines() if line.startswith("| Tone")]
    assert row == "| Tone | Krippendorff's alpha, nominal | 0.533 | moderate | 75% | 4 |"
    assert "5 annotations by ann" in version.card
    assert "4 annotations by bob" in version.card
    assert version.card in data_card.file(version)


def test_records_that_are_not_in_it_do_not_count(answered):
    last = Record.objects.order_by("pk")[3]
    Record.objects.filter(pk=last.pk).update(status="rejected")
    version = frozen(answered, status="new")
    assert version.rows < 5
    found = version.figures["agreement"]
    assert (found["answers"], found["records"]) == (6, 3)
    assert [one["same"] for one in found["questions"]] == [1.0]


def test_where_nobody_could_agree_the_card_says_nothing_of_it(waiting, ann):
    box = waiting(2)
    answer(box, ann, "plain", "loud")
    version = frozen(box.dataset)
    assert version.figures["agreement"] == {}
    assert "## Agreement" not in version.card


def test_of_very_many_answers_whole_records_are_measured(answered, monkeypatch):
    monkeypatch.setattr(agreement, "MOST_FROZEN", 5)
    version = frozen(answered)
    assert version.figures["agreement"]["answers"] == 4
    assert "The first 4 answers to 2 of its records" in version.card


def test_hostile_titles_and_names_are_text(answered, chats):
    questions.create(chats, title="<img src=x> | [a](javascript:1)", kind="rating", options={"low": 1, "high": 5})
    Annotation.objects.filter(author="ann").update(author="<b>ann</b>")
    card = frozen(answered).card
    assert r"\<img src=x\> \| \[a\]" in card
    assert r"annotations by \<b\>ann" in card
    assert re.search(r"(?<!\\)<", card) is None
