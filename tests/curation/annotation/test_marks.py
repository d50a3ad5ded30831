"""Marks on a text that changes, in every way in which a text can change."""

import json
import random

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.urls import reverse

from curation import bulk, exports
from curation.annotation import adjudication, answers, honeypots, marks, questions, queue, review, suggestions
from curation.datasets import settings
from curation.formats import Mapping
from curation.imports import drafts
from curation.models import Annotation, Change, SpanTrail, Suggestion, Task
from curation.records import changes, merge, spans, targets
from curation.search.filters import Filters
from curation.tasks import bulk as bulk_task
from curation.tasks import export as export_task
from curation.views.annotation.disagreements import PICK
from tests.curation.annotation.conftest import make_record
from tests.curation.imports.test_job import done, lines

TEXT = "Write to kim@mail.example when the ferry to Oslo is late."
OPTIONS = {"labels": ["place", "mail"], "piece": "answer"}


def span(text: str, words: str, label: str = "place") -> dict:
    start = text.index(words)
    return {"start": start, "end": start + len(words), "label": label}


BOTH = [span(TEXT, "kim@mail.example", "mail"), span(TEXT, "Oslo")]


@pytest.fixture
def ents(chats):
    return questions.create(chats, title="Ents", kind="spans", options=OPTIONS)


@pytest.fixture
def marked(chats, ents, bob):
    """Return the only record, with an answer of Bob's that became final."""
    record = make_record(chats, answer=TEXT)
    queue.fill(chats, chats.records.all())
    annotation = queue.next_task(queue.of(chats), bob)
    answers.submit(annotation, {"ents": BOTH})
    return record


def words(record) -> dict[str, str]:
    """Return the words that Bob's answer marks in the record as it is now, by label."""
    record.refresh_from_db()
    text = targets.piece(record, "answer").text
    given = Annotation.objects.get(record=record).answers.get("ents", [])
    assert Task.objects.get(record=record).answers.get("ents", []) == given, "the final answer goes the same way"
    return {one["label"]: text[one["start"] : one["end"]] for one in given}


def aside(record) -> list[str]:
    rows = SpanTrail.objects.filter(record=record, holder="annotation")
    assert all(row.aside_count == len(row.aside) for row in rows)
    return [entry["words"] for row in rows for entry in row.aside]


def act(chats, user, action, **options):
    job = bulk.begin(chats, user, action, Filters(), options=options)
    bulk_task(job.pk)
    job.refresh_from_db()
    return job


def rewrite(record, user, text: str) -> None:
    record.refresh_from_db()
    changes.edit(record, user, {targets.piece(record, "answer").name: text}, record.revision)


def test_an_edit_moves_marks_along_and_sets_aside_what_lost_its_words(marked, bob):
    rewrite(marked, bob, "Please w" + TEXT[1:].replace("kim@mail.example", "Kim"))
    assert words(marked) == {"place": "Oslo"}
    assert aside(marked) == ["kim@mail.example"]


def test_an_answer_whose_marks_are_all_set_aside_is_no_answer_and_never_nothing_to_mark(marked, bob):
    rewrite(marked, bob, "Something else.")
    assert Annotation.objects.get().answers == {}
    assert aside(marked) == ["kim@mail.example", "Oslo"]


def test_a_mask_says_how_many_marks_it_set_aside_and_its_undo_brings_them_back(marked, chats, bob):
    job = act(chats, bob, "mask", pieces="all")
    assert words(marked) == {"place": "Oslo"}
    # One of the answer, one of what became final.
    assert (job.spans_aside, job.spans_moved) == (2, 2)
    assert job.line.endswith("2 spans were set aside, because the text no longer has their words.")
    undo = bulk.begin_undo(job, bob)
    bulk_task(undo.pk)
    assert words(marked) == {"mail": "kim@mail.example", "place": "Oslo"}
    assert not SpanTrail.objects.exists()


def test_find_and_replace_moves_them(marked, chats, bob):
    act(chats, bob, "replace", find="Write", replace="Do write 🛬")
    assert words(marked) == {"mail": "kim@mail.example", "place": "Oslo"}
    job = act(chats, bob, "replace", find="Oslo", replace="Bergen")
    assert words(marked) == {"mail": "kim@mail.example"}
    assert job.spans_aside == 2


def test_a_fix_moves_them(chats, ents, bob):
    broken = "CafÃ© near Oslo and CafÃ© near Rome, so it is"
    record = make_record(chats, answer=broken)
    queue.fill(chats, chats.records.all())
    answers.submit(queue.next_task(queue.of(chats), bob), {"ents": [span(broken, "Oslo")]})
    act(chats, bob, "fix", codes=["mojibake"])
    assert words(record) == {"place": "Oslo"}
    assert targets.piece(record, "answer").text.startswith("Café near Oslo")


def test_a_merge_of_two_edits_moves_them(marked, bob, alice):
    base = merge.columns_of(marked)
    rewrite(marked, alice, TEXT.replace("late", "very late"))
    marked.refresh_from_db()
    mine = dict(base)
    mine["messages"] = [base["messages"][0], {"role": "assistant", "content": "Now: " + TEXT}]
    merged, conflicts = merge.merge(base, merge.columns_of(marked), mine)
    values = merge.settle(marked, merged, conflicts, mine, {f"take.{c.name}": "both" for c in conflicts})
    changes.change(marked, bob, "merge", **values)
    assert words(marked) == {"mail": "kim@mail.example", "place": "Oslo"}


def test_restoring_an_earlier_text_puts_every_mark_back(marked, bob):
    rewrite(marked, bob, "Oslo, Oslo, Oslo")
    assert words(marked) == {}
    changes.restore(marked, bob, Change.objects.filter(action="edit").get())
    assert words(marked) == {"mail": "kim@mail.example", "place": "Oslo"}
    assert Annotation.objects.get().answers["ents"] == BOTH


def test_an_update_over_rest_moves_them(marked, chats, api_of_alice):
    body = {
        "revision": marked.revision,
        "messages": [marked.messages[0], {"role": "assistant", "content": "Hm. " + TEXT}],
    }
    url = f"/api/projects/{chats.project_id}/datasets/{chats.pk}/records/{marked.pk}"
    answer = api_of_alice.patch(url, json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.text
    assert words(marked) == {"mail": "kim@mail.example", "place": "Oslo"}


def test_another_last_message_is_another_text(marked, bob):
    """A question is about the last answer: with one more turn it is about that."""
    more = [*marked.messages, {"role": "user", "content": "Where?"}, {"role": "assistant", "content": "In Oslo."}]
    changes.update(marked, bob, marked.revision, {"messages": more})
    assert words(marked) == {"place": "Oslo"}
    assert aside(marked) == ["kim@mail.example"]
    changes.update(marked, bob, marked.revision, {"messages": [{"role": "user", "content": "Oslo?"}]})
    assert words_of_answer(marked) == []


def words_of_answer(record) -> list:
    return Annotation.objects.get(record=record).answers.get("ents", [])


def test_an_import_that_updates_by_key_moves_them_and_counts_what_it_set_aside(project, alice, bob):
    chats = settings.create(project, alice, "Keyed")
    mapping = Mapping.from_json({"style": "chat", "messages": "messages", "key": "id"})

    def take(answer: str):
        turns = [{"role": "user", "content": "Say"}, {"role": "assistant", "content": answer}]
        job = drafts.begin(chats, bob, file=lines({"id": "a", "messages": turns}))
        drafts.confirm(job, mapping, update_by_key=True)
        return done(job)

    take(TEXT)
    questions.create(chats, title="Ents", kind="spans", options=OPTIONS)
    queue.fill(chats, chats.records.all())
    answers.submit(queue.next_task(queue.of(chats), bob), {"ents": BOTH})
    job = take("So: " + TEXT.replace("Oslo", "Rome"))
    record = chats.records.get()
    assert words(record) == {"mail": "kim@mail.example"}
    assert (job.spans_aside, job.spans_moved) == (2, 2)
    assert "2 spans were set aside" in job.line


def test_a_text_that_becomes_the_records_by_an_answer_moves_the_marks_in_that_answer(chats, ents, bob):
    questions.create(chats, title="Text", kind="text", options={"piece": "answer"})
    record = make_record(chats, answer=TEXT)
    queue.fill(chats, chats.records.all())
    annotation = queue.next_task(queue.of(chats), bob)
    given = {"ents": BOTH, "text": "Please: " + TEXT}
    answers.submit(annotation, given)
    assert words(record) == {"mail": "kim@mail.example", "place": "Oslo"}
    assert annotation.answers["ents"][0]["start"] == BOTH[0]["start"] + 8
    # Sent once more, as after a broken line, it is the same answer.
    again = Annotation.objects.select_related("record", "task__queue__dataset").get()
    assert answers.submit(again, given).state == "submitted"
    # Taken back, all is as it was marked.
    undone = answers.undo(queue.of(chats), bob)
    assert undone.answers["ents"] == BOTH
    record.refresh_from_db()
    assert targets.piece(record, "answer").text == TEXT


def test_what_is_sent_back_has_its_marks_where_they_were(chats, ents, bob, ann, alice):
    questions.create(chats, title="Text", kind="text", options={"piece": "answer"})
    make_record(chats, answer=TEXT)
    queue.fill(chats, chats.records.all())
    answers.submit(queue.next_task(queue.of(chats), bob), {"ents": BOTH, "text": "Please: " + TEXT})
    sent = review.send_back(Annotation.objects.select_related("record", "task").get(), alice, "Look again")
    assert sent.answers["ents"] == BOTH


def test_a_draft_moves_too_and_what_was_marked_in_an_older_text_goes_along(chats, ents, bob, alice):
    record = make_record(chats, answer=TEXT)
    queue.fill(chats, chats.records.all())
    annotation = queue.next_task(queue.of(chats), bob)
    answers.draft(annotation, {"ents": BOTH})
    rewrite(record, alice, "Please: " + TEXT.replace("Oslo", "Rome"))
    mine = Annotation.objects.select_related("record", "task__queue__dataset").get(pk=annotation.pk)
    assert [one["start"] for one in mine.answers["ents"]] == [BOTH[0]["start"] + 8]
    # The page still shows the old text, and saves what was marked in it.
    answers.draft(mine, {"ents": BOTH}, seen=1)
    assert [one["start"] for one in mine.answers["ents"]] == [BOTH[0]["start"] + 8]
    assert aside(record) == ["Oslo"]
    with pytest.raises(ValidationError, match="changed while you answered"):
        answers.submit(mine, {"ents": BOTH}, seen=1)
    answers.submit(mine, mine.answers, seen=2)
    assert words(record) == {"mail": "kim@mail.example"}
    assert aside(record) == [], "who submits has seen what was set aside"


def test_known_answers_move_whole_or_are_known_no_more(chats, ents, alice):
    record = make_record(chats, answer=TEXT)
    honeypots.mark(chats, [{"record": record.pk, "answers": {"ents": BOTH}}])
    rewrite(record, alice, "Please: " + TEXT)
    assert Task.objects.get().known["ents"][0]["start"] == BOTH[0]["start"] + 8
    rewrite(record, alice, "Please: " + TEXT.replace("Oslo", "Rome"))
    assert Task.objects.get().known == {}, "half of it would make those wrong who mark all"
    (trail,) = SpanTrail.objects.filter(aside_count__gt=0)
    assert (trail.holder, [entry["words"] for entry in trail.aside]) == ("known", ["kim@mail.example", "Oslo"])


def test_suggestions_move_and_one_that_has_lost_all_comes_back_with_its_text(chats, ents, alice):
    record = make_record(chats, answer=TEXT)
    row = {"record": record.pk, "question": "ents", "value": BOTH[1:], "score": 0.5, "source": "model"}
    suggestions.put(chats, [row])
    rewrite(record, alice, "Hm. " + TEXT)
    assert Suggestion.objects.get().value[0]["start"] == BOTH[1]["start"] + 4
    rewrite(record, alice, "Nothing of it")
    assert not Suggestion.objects.exists()
    rewrite(record, alice, TEXT)
    assert (Suggestion.objects.get().value, Suggestion.objects.get().score) == (BOTH[1:], 0.5)


def test_a_span_set_aside_is_marked_again_or_dropped(marked, chats, bob, alice):
    rewrite(marked, alice, "Oslo and Oslo")
    mail, oslo = marks.aside(marks.trails(chats).filter(holder="annotation"))
    assert (mail.words, mail.places, [place.start for place in oslo.places]) == ("kim@mail.example", [], [0, 9])
    with pytest.raises(ValidationError, match="not there"):
        marks.mark_again(oslo.trail, oslo.id, 3)
    marks.mark_again(oslo.trail, oslo.id, 9)
    assert words_of_answer(marked) == [{"start": 9, "end": 13, "label": "place"}]
    marks.drop(mail.trail, mail.id)
    assert aside(marked) == []
    with pytest.raises(ValidationError, match="no longer set aside"):
        marks.drop(mail.trail, mail.id)
    # A person has decided: the former text brings nothing back by itself.
    rewrite(marked, alice, TEXT)
    assert span(TEXT, "kim@mail.example", "mail") not in words_of_answer(marked)


def test_a_question_with_marks_cannot_be_about_another_text(marked, ents):
    with pytest.raises(ValidationError, match="already marked"):
        questions.change(ents, options=OPTIONS | {"piece": "prompt"})
    questions.change(ents, options=OPTIONS | {"labels": ["place", "mail", "person"]})


def test_deciding_again_forgets_what_was_set_aside_of_the_decision(chats, ents, bob, ann, alice):
    record = make_record(chats, answer=TEXT)
    found = queue.of(chats)
    found.overlap = 2
    found.save()
    queue.fill(chats, chats.records.all())
    answers.submit(queue.next_task(found, bob), {"ents": BOTH})
    answers.submit(queue.next_task(found, ann), {"ents": BOTH[:1]})
    task = Task.objects.select_related("queue__dataset", "record").get()
    adjudication.decide(task, alice, {"ents": BOTH}, "both")
    rewrite(record, alice, TEXT.replace("Oslo", "Rome"))
    assert SpanTrail.objects.filter(holder="final", aside_count=1).count() == 1
    task = Task.objects.select_related("queue__dataset", "record").get()
    adjudication.decide(task, alice, {"ents": BOTH[:1]}, "the mail", again=True)
    assert not SpanTrail.objects.filter(holder="final").exists()


def test_no_export_pairs_a_new_text_with_old_places(marked, chats, bob, alice):
    rewrite(marked, alice, "Please: " + TEXT.replace("kim@mail.example", "Kim"))
    job = exports.begin(chats, alice, "chat")
    export_task(job.pk)
    job.refresh_from_db()
    row = exported(job)
    (entry,) = row["atelier_annotations"]
    text = row["messages"][-1]["content"]
    assert [text[one["start"] : one["end"]] for one in entry["answers"]["ents"]] == ["Oslo"]
    assert entry["set_aside"] == {"ents": [{"label": "mail", "words": "kim@mail.example"}]}


def exported(job) -> dict:
    with default_storage.open(job.file) as file:
        return json.loads(file.readline())


def test_a_record_that_changes_between_both_looks_of_an_export_is_looked_at_again(marked, chats, alice, monkeypatch):
    real, calls = exports._annotations, []

    def edited_first(pks):
        if not calls:
            rewrite(marked, alice, "Please: " + TEXT)
        calls.append(pks)
        return real(pks)

    monkeypatch.setattr(exports, "_annotations", edited_first)
    job = exports.begin(chats, alice, "chat")
    export_task(job.pk)
    job.refresh_from_db()
    row = exported(job)
    text = row["messages"][-1]["content"]
    (entry,) = row["atelier_annotations"]
    assert sorted(text[one["start"] : one["end"]] for one in entry["answers"]["ents"]) == ["Oslo", "kim@mail.example"]
    assert len(calls) == 2


def test_the_list_over_rest_has_the_places_of_the_text_beside_it(marked, chats, alice, api_of_alice):
    rewrite(marked, alice, "Please: " + TEXT)
    base = f"/api/projects/{chats.project_id}/datasets/{chats.pk}"
    (entry,) = api_of_alice.get(f"{base}/annotations").json()["items"]
    text = api_of_alice.get(f"{base}/records/{marked.pk}").json()["messages"][-1]["content"]
    assert sorted(text[one["start"] : one["end"]] for one in entry["answers"]["ents"]) == ["Oslo", "kim@mail.example"]


def test_editors_see_what_was_set_aside_on_the_record_in_its_list_and_over_rest(
    marked, chats, alice, as_alice, as_vic, api_of_alice
):
    rewrite(marked, alice, "<b>Oslo</b> or Oslo")
    args = [chats.project_id, chats.pk]
    page = as_alice.get(reverse("curation:record", args=[*args, marked.pk])).text
    assert "Spans set aside" in page
    assert "kim@mail.example" in page
    assert "The text no longer has these words." in page
    listed = as_alice.get(reverse("curation:aside_spans", args=args)).text
    assert listed.count("Mark here:") == 4, "two places, of the answer and of what became final"
    assert "&lt;b&gt;" in listed
    assert as_vic.get(reverse("curation:aside_spans", args=args)).status_code == 403
    base = f"/api/projects/{chats.project_id}/datasets/{chats.pk}/spans/aside"
    answer, final = api_of_alice.get(base).json()["items"]
    assert (answer["holder"], final["holder"]) == ("annotation", "final")
    mail, oslo = answer["spans"]
    assert (mail["places"], oslo["places"]) == ([], [3, 15])
    url = f"{base}/{answer['id']}/{oslo['id']}/mark"
    assert api_of_alice.post(url, json.dumps({"start": 4}), content_type="application/json").status_code == 422
    assert api_of_alice.post(url, json.dumps({"start": 15}), content_type="application/json").status_code == 200
    assert words_of_answer(marked) == [{"start": 15, "end": 19, "label": "place"}]
    drop = reverse("curation:drop_span", args=[*args, answer["id"], mail["id"]])
    assert as_alice.post(drop, {"from_record": "1"}).url == reverse("curation:record", args=[*args, marked.pk])
    assert aside(marked) == []
    assert as_alice.post(drop).status_code == 404


def test_the_annotators_page_shows_what_was_set_aside_and_a_stale_form_is_refused(chats, ents, bob, alice, as_bob):
    record = make_record(chats, answer=TEXT)
    queue.fill(chats, chats.records.all())
    annotation = queue.next_task(queue.of(chats), bob)
    url = reverse("curation:annotate_answer", args=[chats.project_id, chats.pk, annotation.pk, "submit"])
    lines = "\n".join(f"{one['start']} {one['end']} {one['label']}" for one in BOTH)
    rewrite(record, alice, "Please: " + TEXT.replace("Oslo", "Rome"))
    sent = as_bob.post(url, {"q.ents": lines, "revision": "1"})
    assert sent.status_code == 422
    assert "was changed while you answered" in sent.text
    assert f"{BOTH[0]['start'] + 8} {BOTH[0]['end'] + 8} mail</textarea>" in sent.text
    assert "these spans lost their words" in sent.text
    assert as_bob.post(url, {"q.ents": lines, "revision": "1"}).status_code == 422, "however often it is sent"
    assert as_bob.post(url, {"q.ents": "8 13 place", "revision": "2"}).status_code == 302


def test_an_answer_that_nothing_is_to_be_marked_is_another_than_none(
    chats, ents, bob, ann, as_bob, as_ann, api_of_alice
):
    questions.change(ents, required=False)
    tone = questions.create(chats, title="Tone", kind="label", options={"labels": ["plain"]})
    make_record(chats, answer=TEXT)
    found = queue.of(chats)
    found.overlap = 2
    found.save()
    queue.fill(chats, chats.records.all())
    for client, sent in ((as_bob, {"q.ents": "", "q.ents.none": "on"}), (as_ann, {"q.ents": ""})):
        client.get(reverse("curation:annotate", args=[chats.project_id, chats.pk]))
        who = bob if client is as_bob else ann
        annotation = Annotation.objects.get(user=who)
        url = reverse("curation:annotate_answer", args=[chats.project_id, chats.pk, annotation.pk, "submit"])
        assert client.post(url, sent | {f"q.{tone.name}": "plain"}).status_code == 302
    given = {one.author: one.answers for one in Annotation.objects.all()}
    assert given == {"bob": {"ents": [], "tone": "plain"}, "ann": {"tone": "plain"}}
    assert Task.objects.get().state == "disputed", "one said that there is nothing, the other said nothing"
    (issue,) = [one for one in adjudication.issues(Task.objects.get()) if one.question == ents]
    assert [group.value for group in issue.said] == [[], None]
    items = api_of_alice.get(f"/api/projects/{chats.project_id}/datasets/{chats.pk}/annotations").json()["items"]
    assert [one["answers"].get("ents", "unanswered") for one in items] == [[], "unanswered"]


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ({"q.ents": ""}, None),
        ({"q.ents": " \r\n "}, None),
        ({}, None),
        ({"q.ents": "", "q.ents.none": "on"}, []),
        ({"q.ents.none": "on"}, []),
        ({"q.ents": "45 49 place"}, [{"start": 45, "end": 49, "label": "place"}]),
        ({"q.ents": "45 49 place", "q.ents.none": "on"}, "refused"),
        ({"q.ents": "nonsense"}, "refused"),
        ({"q.ents": "nonsense", "q.ents.none": "on"}, "refused"),
        ({"q.ents": "45 49 nowhere"}, "refused"),
    ],
)
def test_a_required_question_about_spans_wants_marks_or_that_there_are_none(chats, ents, bob, as_bob, sent, answer):
    make_record(chats, answer=TEXT)
    queue.fill(chats, chats.records.all())
    annotation = queue.next_task(queue.of(chats), bob)
    url = reverse("curation:annotate_answer", args=[chats.project_id, chats.pk, annotation.pk, "submit"])
    response = as_bob.post(url, sent)
    if answer is None or answer == "refused":
        assert response.status_code == 422
        assert Annotation.objects.get().state == "open"
        assert ("needs an answer" in response.text) == (answer is None)
    else:
        assert response.status_code == 302
        assert Annotation.objects.get().answers == {"ents": answer}


def test_whatever_is_edited_each_mark_has_its_words_or_is_set_aside_and_the_first_text_brings_all_back(
    chats, ents, bob, alice
):
    chance = random.Random(27)
    tokens = [
        "Kim",
        "met",
        "Ada",
        "in",
        "Oslo",
        ",",
        "Ada",
        "met",
        "Kim",
        "in",
        "Rome",
        "🛬",
        "and",
        "مرحبا",
        "in",
        "Oslo",
    ]
    text = " ".join(tokens)
    record = make_record(chats, answer=text)
    queue.fill(chats, chats.records.all())
    given, at = [], 0
    for token in tokens:
        given.append({"start": at, "end": at + len(token), "label": "place"})
        at += len(token) + 1
    answers.submit(queue.next_task(queue.of(chats), bob), {"ents": given})
    whole = sorted(tokens)
    for _ in range(12):
        record.refresh_from_db()
        now = targets.piece(record, "answer").text.split()
        place = chance.randrange(len(now) + 1)
        now[place : place + chance.randrange(3)] = [chance.choice(tokens) for _ in range(chance.randrange(3))]
        new = " ".join(now) or "Kim"
        rewrite(record, alice, new)
        kept = [new[one["start"] : one["end"]] for one in words_of_answer(record)]
        # Words that a later text has again at the very place may have come back: none is ever both.
        assert sorted([*kept, *aside(record)]) == whole, new
    rewrite(record, alice, text)
    assert words_of_answer(record) == given
    assert aside(record) == []


def test_a_decision_a_correction_and_a_known_answer_that_saw_an_older_text_are_refused(
    chats, ents, bob, ann, alice, as_alice
):
    record, other = make_record(chats, answer=TEXT), make_record(chats, 1, answer=TEXT)
    found = queue.of(chats)
    found.overlap = 2
    found.save()
    queue.fill(chats, chats.records.filter(pk=record.pk))
    answers.submit(queue.next_task(found, bob), {"ents": BOTH})
    answers.submit(queue.next_task(found, ann), {"ents": BOTH[:1]})
    rewrite(record, alice, "Please: " + TEXT)
    rewrite(other, alice, "Please: " + TEXT)
    task = Task.objects.select_related("queue__dataset", "record").get()
    with pytest.raises(ValidationError, match="changed since you opened it"):
        adjudication.decide(task, alice, {"ents": BOTH}, "", seen=1)
    annotation = Annotation.objects.select_related("record__dataset", "task__queue").filter(user=bob).get()
    with pytest.raises(ValidationError, match="changed since you opened it"):
        review.correct(annotation, alice, {"ents": BOTH}, "", seen=1)
    url = reverse("curation:honeypot", args=[chats.project_id, chats.pk, other.pk])
    sent = as_alice.post(url, {"q.ents": "44 48 place", "revision": "1"})
    assert (sent.status_code, "changed since you opened it" in sent.text) == (422, True)
    assert "44 48 place" not in sent.text, "sent again, it would mark other words"
    url = reverse("curation:disagreement", args=[chats.project_id, chats.pk, task.pk])
    sent = as_alice.post(url, {f"{PICK}ents": "new", "q.ents": "44 48 place", "revision": "1"})
    assert (sent.status_code, "44 48 place" in sent.text) == (422, False)
    url = reverse("curation:review_annotation", args=[chats.project_id, chats.pk, annotation.pk, "correct"])
    sent = as_alice.post(url, {"q.ents": "44 48 place", "revision": "1"})
    assert (sent.status_code, "44 48 place" in sent.text) == (422, False)
    adjudication.decide(task, alice, {"ents": BOTH[:1]}, "", seen=2)


def test_a_decision_is_held_against_the_text_as_it_is_once_nobody_can_change_it(
    chats, ents, bob, ann, alice, monkeypatch
):
    record = make_record(chats, answer=TEXT)
    found = queue.of(chats)
    found.overlap = 2
    found.save()
    queue.fill(chats, chats.records.all())
    answers.submit(queue.next_task(found, bob), {"ents": BOTH})
    answers.submit(queue.next_task(found, ann), {"ents": BOTH[:1]})
    task = Task.objects.select_related("queue__dataset", "record").get()
    hold = spans.hold

    def shortened(dataset, records):  # somebody was faster by a moment
        monkeypatch.setattr(spans, "hold", hold)
        rewrite(record, alice, "Oslo")
        hold(dataset, records)

    monkeypatch.setattr(spans, "hold", shortened)
    with pytest.raises(ValidationError, match="only 4 characters"):
        adjudication.decide(task, alice, {"ents": BOTH}, "")


def test_a_draft_goes_into_the_text_as_it_is_by_now(chats, ents, bob, alice):
    record = make_record(chats, answer=TEXT)
    queue.fill(chats, chats.records.all())
    annotation = queue.next_task(queue.of(chats), bob)
    rewrite(record, alice, "Please: " + TEXT)  # after the annotation was read with its record
    answers.draft(annotation, {"ents": BOTH}, seen=1)
    drafted = words_of_answer(record)
    assert [("Please: " + TEXT)[one["start"] : one["end"]] for one in drafted] == ["kim@mail.example", "Oslo"]


def test_a_question_whose_marks_wait_to_be_marked_again_keeps_its_kind_and_its_text(marked, ents, bob):
    rewrite(marked, bob, "Something else.")
    assert Annotation.objects.get().answers == {}
    for values in ({"kind": "labels", "options": {"labels": ["place"]}}, {"options": OPTIONS | {"piece": "prompt"}}):
        with pytest.raises(ValidationError, match="already marked"):
            questions.change(ents, **values)


def test_a_question_about_spans_without_marks_can_get_another_kind(ents):
    assert questions.change(ents, kind="label", options={"labels": ["place"]}).kind == "label"


def test_the_page_lists_so_many_spans_however_many_one_answer_lost(marked, chats, alice, as_alice, monkeypatch):
    rewrite(marked, alice, "Something else.")
    monkeypatch.setattr(marks, "LISTED", 3)
    url = reverse("curation:aside_spans", args=[chats.project_id, chats.pk])
    for page in (url, reverse("curation:record", args=[chats.project_id, chats.pk, marked.pk])):
        text = as_alice.get(page).text
        assert text.count(">Drop</button>") == 3
        assert "There are more than these." in text
    monkeypatch.setattr(marks, "LISTED", 4)
    text = as_alice.get(url).text
    assert text.count(">Drop</button>") == 4
    assert "There are more than these." not in text


def test_a_form_that_asks_for_a_corrected_text_says_which_text_it_shows(chats, bob, alice, as_bob):
    questions.create(chats, title="Text", kind="text", options={"piece": "answer"})
    record = make_record(chats, answer=TEXT)
    queue.fill(chats, chats.records.all())
    rewrite(record, alice, "Please: " + TEXT)
    page = as_bob.get(reverse("curation:annotate", args=[chats.project_id, chats.pk])).text
    assert '<input type="hidden" name="revision" value="2">' in page
