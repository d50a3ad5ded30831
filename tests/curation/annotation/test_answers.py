"""What is an answer, what stands for the record, what can be taken back, and who may read what."""

import pytest
from django.core.exceptions import ValidationError

from atelier.web import markdown
from curation.annotation import answers, questions, queue, suggestions, values
from curation.models import Annotation, Question, Suggestion, Task
from curation.records import changes, targets
from tests.curation.annotation.conftest import make_record

LABELS = {"labels": ["plain", "loud"]}
SPANS = LABELS | {"piece": "answer"}


def rewritten(chats, user, answer: str) -> None:
    """Edit the answer of the only record."""
    record = chats.records.get()
    changes.edit(record, user, {targets.piece(record, "answer").name: answer}, record.revision)


@pytest.mark.parametrize(
    ("kind", "options", "good", "bad"),
    [
        ("label", LABELS, "plain", ["quiet", 3, ["plain"]]),
        ("labels", LABELS, ["plain", "loud"], ["plain", ["quiet"], [1]]),
        ("rating", {"low": 0, "high": 3}, 3, [4, -1, "2", True, 1.5]),
        ("ranking", {"pieces": ["a", "b"]}, ["b", "a"], [["a"], ["a", "a"], "ab", ["a", "b", "c"]]),
        ("text", {"piece": "answer"}, "better", [1, "a\x00b", "x" * 200_001]),
        ("comment", {}, "well", [[], {}, "x" * 10_001][1:]),
        ("spans", SPANS, [{"start": 0, "end": 3, "label": "plain"}],
         ["x", [{"start": 3, "end": 3, "label": "plain"}], [{"start": 0, "end": 9999, "label": "plain"}],
          [{"start": 0, "end": 3, "label": "quiet"}], [{"start": 0, "end": 3}]]),
    ],
)  # fmt: skip
def test_each_kind_takes_its_answers_and_says_what_is_wrong_with_others(chats, kind, options, good, bad):
    question = questions.create(chats, title="Ask", kind=kind, options=options)
    record = make_record(chats)
    assert values.clean(question, good, record) == good
    for value in bad:
        with pytest.raises(ValidationError, match="Ask"):
            values.clean(question, value, record)


def test_spans_count_characters_not_bytes_and_come_back_sorted_once(chats):
    question = questions.create(chats, title="Mark", kind="spans", options=SPANS)
    record = make_record(chats, answer="😀😀 Mira")
    last = {"start": 3, "end": 7, "label": "loud"}
    assert values.clean(question, [last, {"start": 0, "end": 1, "label": "plain"}, last], record) == [
        {"start": 0, "end": 1, "label": "plain"}, last,
    ]  # fmt: skip
    with pytest.raises(ValidationError, match="has only 7 characters"):
        values.clean(question, [{"start": 3, "end": 8, "label": "loud"}], record)


def test_what_is_required_must_be_there_and_unknown_names_are_refused(chats, tone):
    with pytest.raises(ValidationError) as error:
        values.clean_all([tone], {"mood": "good"})
    assert set(error.value.message_dict) == {"tone", "mood"}
    assert values.clean_all([tone], {}, complete=False) == {}


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "label", "options": {"labels": []}},
        {"kind": "label", "options": {"labels": ["a", "a"]}},
        {"kind": "label", "options": {"labels": ["a"], "x": 1}},
        {"kind": "rating", "options": {"low": 5, "high": 1}},
        {"kind": "rating", "options": {"low": 0, "high": 90}},
        {"kind": "ranking", "options": {"pieces": ["a"]}},
        {"kind": "text", "options": {"piece": "../etc"}},
        {"kind": "mood"},
        {"kind": "comment", "title": ""},
        {"kind": "comment", "name": "No Name"},
    ],
)
def test_a_question_that_makes_no_sense_is_refused(chats, bad):
    with pytest.raises(ValidationError):
        questions.create(chats, **({"title": "Ask"} | bad))
    assert not Question.objects.exists()


def test_the_same_question_twice_is_one_and_another_of_its_name_is_refused(chats, tone):
    assert questions.create(chats, title="Tone", kind="label", options=LABELS).pk == tone.pk
    with pytest.raises(ValidationError, match="already"):
        questions.create(chats, title="Tone", kind="comment")


def test_questions_are_moved_and_ordered(chats, tone):
    second = questions.create(chats, title="Why", kind="comment", required=False)
    questions.move(second, -1)
    assert [one.name for one in chats.questions.all()] == ["why", "tone"]
    with pytest.raises(ValidationError):
        questions.reorder(chats, [tone.pk])


def test_one_answer_stands_at_once_with_history_and_other_labels_stay(waiting, chats, ann):
    box = waiting(1)
    chats.records.update(labels=["loud", "by hand"])
    answers.submit(queue.next_task(box, ann), {"tone": "plain"})
    record = chats.records.get()
    assert record.labels == ["by hand", "plain"]
    change = record.changes.get()
    assert (change.user, change.action, change.before) == (ann, "annotate", {"labels": ["loud", "by hand"]})


def test_an_edited_text_becomes_the_records(waiting, chats, ann):
    questions.create(chats, title="Right", kind="text", options={"piece": "answer"})
    box = waiting(1)
    before = chats.records.get().content_hash
    answers.submit(queue.next_task(box, ann), {"tone": "plain", "right": "It went well."})
    record = chats.records.get()
    assert record.messages[1]["content"] == "It went well."
    assert record.content_hash != before


def test_a_text_of_a_record_that_changed_meanwhile_is_not_overwritten(waiting, chats, ann, bob):
    questions.create(chats, title="Right", kind="text", options={"piece": "answer"})
    box = waiting(1)
    held = queue.next_task(box, ann)
    rewritten(chats, bob, "Bob's.")
    held = Annotation.objects.select_related("record", "task").get(pk=held.pk)
    with pytest.raises(ValidationError, match="This record was changed"):
        answers.submit(held, {"tone": "plain", "right": "mine"})
    assert chats.records.get().messages[1]["content"] == "Bob's."
    answers.submit(held, {"tone": "plain", "right": "mine"})  # having seen it
    assert chats.records.get().messages[1]["content"] == "mine"


def test_parts_marked_in_a_text_that_changed_meanwhile_are_not_taken(waiting, chats, ann, bob):
    questions.create(chats, title="Names", kind="spans", options={"piece": "answer", "labels": [{"value": "name"}]})
    box = waiting(1)
    held = queue.next_task(box, ann)
    rewritten(chats, bob, "Quite another.")
    held = Annotation.objects.select_related("record", "task").get(pk=held.pk)
    with pytest.raises(ValidationError, match="This record was changed"):
        answers.submit(held, {"tone": "plain", "names": [{"start": 0, "end": 2, "label": "name"}]})


def test_a_review_of_the_record_meanwhile_is_in_nobodys_way(waiting, chats, ann, bob):
    questions.create(chats, title="Right", kind="text", options={"piece": "answer"})
    box = waiting(1)
    held = queue.next_task(box, ann)
    changes.review(chats.records.get(), bob, "accept")
    held = Annotation.objects.select_related("record", "task").get(pk=held.pk)
    assert held.record.revision > held.record_revision
    answers.submit(held, {"tone": "plain", "right": "mine"})
    assert chats.records.get().messages[1]["content"] == "mine"


def test_answers_that_agree_stand_and_those_that_differ_wait_for_somebody(waiting, chats, ann, bob):
    box = waiting(2, overlap=2)
    for person, tones in ((ann, ["plain", "plain"]), (bob, ["plain", "loud"])):
        for tone in tones:
            answers.submit(queue.next_task(box, person), {"tone": tone})
    assert list(box.tasks.order_by("pk").values_list("state", flat=True)) == ["done", "disputed"]
    assert [record.labels for record in chats.records.order_by("pk")] == [["plain"], []]


def test_submitting_the_same_again_changes_nothing(waiting, ann):
    box = waiting(1)
    held = answers.submit(queue.next_task(box, ann), {"tone": "plain"})
    answers.submit(held, {"tone": "plain"})
    assert Task.objects.get().submitted == 1


def test_the_last_submit_is_taken_back_with_what_it_did_to_the_record(waiting, chats, ann):
    box = waiting(2)
    held = answers.submit(queue.next_task(box, ann), {"tone": "plain"})
    assert answers.undo(box, ann).pk == held.pk
    record = chats.records.order_by("pk").first()
    assert record.labels == []
    task = Task.objects.get(record=record)
    assert (task.state, task.given, task.submitted) == ("open", 1, 0)
    again = queue.next_task(box, ann)
    assert (again.pk, again.answers) == (held.pk, {"tone": "plain"})


def test_what_somebody_settled_or_changed_since_is_not_taken_back(waiting, chats, ann, bob):
    box = waiting(1)
    answers.submit(queue.next_task(box, ann), {"tone": "plain"})
    chats.records.update(revision=7)
    with pytest.raises(ValidationError, match="record has changed"):
        answers.undo(box, ann)
    Task.objects.update(settled_by=bob)
    with pytest.raises(ValidationError, match="already decided"):
        answers.undo(box, ann)


def test_a_skip_is_taken_back_unless_somebody_else_has_the_record(waiting, ann, bob):
    box = waiting(1)
    answers.skip(queue.next_task(box, ann), "tired")
    assert answers.undo(box, ann).state == "open"
    answers.skip(queue.next_task(box, ann), "tired")
    queue.next_task(box, bob)
    with pytest.raises(ValidationError, match="Someone else"):
        answers.undo(box, ann)


def test_nobody_reads_others_answers_before_their_own_not_even_an_editor(waiting, chats, ann, bob):
    box = waiting(1, overlap=2)
    held = answers.submit(queue.next_task(box, ann), {"tone": "plain"})
    assert held not in answers.readable(chats, bob)
    answers.submit(queue.next_task(box, bob), {"tone": "loud"})
    assert held in answers.readable(chats, bob)


def test_suggestions_are_stored_once_and_the_best_is_shown(chats, tone):
    record = make_record(chats)
    row = {"record": record.pk, "question": "tone", "value": "plain", "score": 0.4, "source": "small"}
    for score in (0.4, 0.6):
        suggestions.put(chats, [row | {"score": score}, row | {"source": "large", "value": "loud", "score": 0.9}])
    assert Suggestion.objects.count() == 2
    assert suggestions.best(record)[tone.pk].source == "large"
    with pytest.raises(ValidationError, match="Suggestion 1"):
        suggestions.put(chats, [row, row | {"value": "quiet"}])


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("<script>alert(1)</script>", "<script"),
        ("![x](https://evil.example/x.png)", "<img"),
        ("[x](javascript:alert(1))", "href"),
        ("<a href='https://x' onclick='y'>z</a>", "<a"),
        ("[x](data:text/html;base64,xx)", "href"),
    ],
)
def test_markdown_of_people_makes_no_elements_but_its_own(text, absent):
    assert absent not in markdown.render(text)


def test_markdown_is_rendered():
    html = markdown.render("# Rules\n\n- be **plain**\n\n[guide](https://example.org)")
    assert "<strong>plain</strong>" in html
    assert 'rel="noopener noreferrer nofollow"' in html
