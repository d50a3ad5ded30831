"""Who may open and do what: disagreements, reviewing, agreement, progress, honeypots, comments, mentions; pages and API."""

import json
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from curation.annotation import agreement, answers, comments, honeypots, queue
from curation.models import Annotation, Comment, Mention, Record, Task
from tests.curation.annotation.conftest import make_record

EDITORS = {"alice": 200, "bob": 200, "ann": 403, "vic": 403, "charlie": 404}
ANNOTATORS = EDITORS | {"ann": 200}
EVERYBODY = ANNOTATORS | {"vic": 200}


@pytest.fixture
def clients(as_alice, as_bob, as_ann, as_vic, as_charlie):
    return {"alice": as_alice, "bob": as_bob, "ann": as_ann, "vic": as_vic, "charlie": as_charlie}


@pytest.fixture
def disagreement(waiting, chats, alice, ann):
    """A record that Alice calls plain and Ann loud, and one that both call plain."""
    box = waiting(2, overlap=2)
    box.tasks.update(wanted=2)
    for user, tones in ((alice, ("plain", "plain")), (ann, ("loud", "plain"))):
        for tone in tones:
            answers.submit(queue.next_task(box, user), {"tone": tone}, 3)
    return Task.objects.get(state="disputed")


def address(name, chats, *more):
    return reverse(f"curation:{name}", args=[chats.project_id, chats.pk, *more])


def api(chats, path):
    return f"/api/projects/{chats.project_id}/datasets/{chats.pk}/{path}"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("disagreements", EDITORS), ("reviewing", EDITORS), ("agreement", EVERYBODY), ("progress", ANNOTATORS), ("honeypots", EDITORS),
    ],
)  # fmt: skip
def test_each_page_opens_for_whom_it_is_meant(disagreement, chats, clients, name, wanted):
    found = {who: client.get(address(name, chats)).status_code for who, client in clients.items()}
    assert found == wanted


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("disagreements", EDITORS), ("disagreements/{task}", EDITORS), ("reviewing", EDITORS), ("agreement", EVERYBODY),
        ("progress", ANNOTATORS), ("honeypots", EDITORS), ("records/{record}/comments", EVERYBODY),
    ],
)  # fmt: skip
def test_each_address_of_the_api_answers_whom_it_is_meant_for(disagreement, chats, team, clients, path, wanted):
    from atelier.accounts.models import APIKey, User

    found = {}
    for who, client in clients.items():
        user = User.objects.get(username=who)
        _, key = APIKey.issue(user.teams.get(), user, "test")
        path_now = path.format(task=disagreement.pk, record=disagreement.record_id)
        found[who] = client.get(api(chats, path_now), headers={"Authorization": f"Bearer {key}"}).status_code
    assert found == wanted


@pytest.mark.parametrize(
    ("name", "more", "allowed"),
    [
        ("disagreement", "task", EDITORS), ("undo_disagreement", "task", EDITORS), ("measure_agreement", "", EDITORS),
        ("honeypots", "", EDITORS), ("retire_honeypot", "task", EDITORS), ("honeypot", "record", EDITORS),
        ("add_comment", "record", ANNOTATORS),
    ],
)  # fmt: skip
def test_what_changes_something_is_refused_to_the_others(disagreement, chats, clients, name, more, allowed):
    args = {"task": [disagreement.pk], "record": [disagreement.record_id], "": []}[more]
    for who, status in allowed.items():
        if status != 200:
            assert clients[who].post(address(name, chats, *args), {"text": "x"}).status_code == status, who
    disagreement.refresh_from_db()
    assert disagreement.state == Task.State.DISPUTED
    assert not Comment.objects.exists()


def test_reviewing_moves_are_the_editors(disagreement, chats, clients):
    annotation = disagreement.annotations.first()
    for move in ("accept", "return", "correct", "unmark"):
        for who in ("ann", "vic", "charlie"):
            answer = clients[who].post(address("review_annotation", chats, annotation.pk, move), {"note": "x"})
            assert answer.status_code == EDITORS[who]
    annotation.refresh_from_db()
    assert annotation.review == ""


def test_bob_settles_a_disagreement_and_everybody_sees_why(disagreement, chats, clients):
    page = clients["bob"].get(address("disagreement", chats, disagreement.pk)).content.decode()
    assert "alice" in page
    assert "ann" in page
    loud = disagreement.annotations.get(author="ann")
    answer = clients["bob"].post(
        address("disagreement", chats, disagreement.pk), {"pick.tone": loud.pk, "note": "It <b>shouts</b>."}
    )
    assert answer.status_code == 302
    disagreement.refresh_from_db()
    assert (disagreement.state, disagreement.answers, disagreement.settled_by.username) == (
        "done",
        {"tone": "loud"},
        "bob",
    )
    assert disagreement.record.labels == ["loud"]
    for who in ("alice", "bob", "ann", "vic"):
        shown = clients[who].get(address("record", chats, disagreement.record_id)).content.decode()
        assert "It &lt;b&gt;shouts&lt;/b&gt;." in shown
        assert "Decided by bob" in shown
    answer = clients["bob"].post(address("undo_disagreement", chats, disagreement.pk))
    assert answer.url == address("disagreement", chats, disagreement.pk)
    disagreement.refresh_from_db()
    assert (disagreement.state, disagreement.answers) == ("disputed", {})
    assert type(disagreement.record).objects.get(pk=disagreement.record_id).labels == []


def test_another_answer_can_be_written_and_nothing_chosen_is_said(disagreement, chats, as_bob):
    here = address("disagreement", chats, disagreement.pk)
    answer = as_bob.post(here, {})
    assert answer.status_code == 422
    assert "Choose one of the answers, or write a new one." in answer.content.decode()
    assert as_bob.post(here, {"pick.tone": "new", "q.tone": "nonsense"}).status_code == 422
    assert as_bob.post(here, {"pick.tone": "new", "q.tone": "loud"}).status_code == 302
    assert Task.objects.get(pk=disagreement.pk).answers == {"tone": "loud"}


def test_an_answer_of_another_record_cannot_be_chosen(disagreement, chats, as_bob):
    other = Annotation.objects.exclude(task=disagreement).first()
    assert as_bob.post(address("disagreement", chats, disagreement.pk), {"pick.tone": other.pk}).status_code == 422


def test_the_list_says_where_they_differ_and_the_rail_where_one_is(disagreement, chats, as_bob):
    question = chats.questions.get(name="tone")
    page = as_bob.get(address("disagreements", chats))
    assert page.context["tasks"] == [(disagreement, [question.title])]
    assert [step["key"] for step in page.context["steps"] if step["active"]] == ["review"]


def test_the_last_disagreement_leads_back_to_the_list(disagreement, chats, as_bob):
    pick = disagreement.annotations.first().pk
    assert as_bob.post(address("disagreement", chats, disagreement.pk), {"pick.tone": pick}).url == address(
        "disagreements", chats
    )
    assert "Nothing to decide" in as_bob.get(address("disagreements", chats)).content.decode()


def test_the_reviewer_goes_through_answers_with_filters(disagreement, chats, as_bob):
    page = as_bob.get(address("reviewing", chats) + "?person=ann")
    assert page.context["annotation"].author == "ann"
    assert page.context["found"] == 2
    first = page.context["annotation"]
    answer = as_bob.post(address("review_annotation", chats, first.pk, "accept") + "?person=ann")
    assert "at=" in answer.url
    assert as_bob.get(address("reviewing", chats) + "?person=ann").context["found"] == 1
    assert as_bob.get(address("reviewing", chats) + "?which=accepted").context["found"] == 1
    as_bob.post(address("review_annotation", chats, first.pk, "unmark"))
    assert as_bob.get(address("reviewing", chats) + "?person=ann").context["found"] == 2


def test_what_is_sent_back_comes_first_with_the_comment(disagreement, chats, as_bob, as_ann, ann):
    annotation = disagreement.annotations.get(author="ann")
    answer = as_bob.post(address("review_annotation", chats, annotation.pk, "return"), {"note": ""})
    assert answer.status_code == 422
    as_bob.post(address("review_annotation", chats, annotation.pk, "return"), {"note": "Read it <i>again</i>"})
    page = as_ann.get(address("annotate", chats)).content.decode()
    assert "bob</strong>" in page or "bob sent it back" in page
    assert "Read it &lt;i&gt;again&lt;/i&gt;" in page
    told = as_ann.get(reverse("curation:mentions", args=[chats.project_id])).content.decode()
    assert "bob sent your answer back" in told
    mention = Mention.objects.get(user=ann)
    there = as_ann.post(reverse("curation:read_mentions", args=[chats.project_id]), {"mention": mention.pk})
    assert there.url == address("annotate", chats)
    assert comments.unread(ann, chats.project) == 0
    annotation.refresh_from_db()
    answers.submit(annotation, annotation.answers)
    page = as_bob.get(address("reviewing", chats) + "?person=ann").content.decode()
    assert "Sent back earlier by bob." in page
    assert "Not reviewed by" not in page


def test_a_correction_stands_and_the_original_is_kept(disagreement, chats, as_bob):
    annotation = disagreement.annotations.get(author="ann")
    here = address("review_annotation", chats, annotation.pk, "correct")
    assert as_bob.post(here, {"note": "no"}).status_code == 422
    assert as_bob.post(here, {"q.tone": "plain", "note": "calm"}).status_code == 302
    annotation.refresh_from_db()
    assert (annotation.answers, annotation.review) == ({"tone": "loud"}, "corrected")
    disagreement.refresh_from_db()
    assert (disagreement.answers, disagreement.settled_note) == ({"tone": "plain"}, "calm")


def test_an_annotator_sees_nothing_of_honeypots(waiting, chats, as_ann, as_bob, ann):
    box = waiting(3, honeypot_rate=0.5)
    record = make_record(chats, 99)
    assert as_bob.post(address("honeypot", chats, record.pk), {"q.tone": "loud"}).status_code == 302
    assert "is a control question" in as_bob.get(address("record", chats, record.pk)).content.decode()
    assert "honeypot" not in as_ann.get(address("record", chats, record.pk)).content.decode().lower()
    task = Task.objects.get(record=record)
    plain, test = box.tasks.filter(known__isnull=True).first(), task
    pages = []
    for one in (plain, test):
        Annotation.objects.all().delete()
        Task.objects.update(given=0)
        queue.take(one)
        queue._hold(box, one, ann)
        pages.append(as_ann.get(address("annotate", chats)).content.decode())
    for page in pages:
        assert "honeypot" not in page.lower()
        assert "known" not in page.lower()


def test_honeypots_are_made_from_labels_by_a_search(waiting, chats, as_bob):
    waiting(1)
    labelled = make_record(chats, 50)
    type(labelled).objects.filter(pk=labelled.pk).update(labels=["loud"])
    as_bob.post(address("honeypots", chats), {"q": "label:loud"})
    assert Task.objects.get(record=labelled).known == {"tone": "loud"}
    assert "Tone: loud" in as_bob.get(address("honeypots", chats)).content.decode()


def test_a_viewer_reads_comments_and_a_name_is_told(chats, as_ann, as_bob, as_vic, bob):
    record = make_record(chats, 1)
    as_ann.post(address("add_comment", chats, record.pk), {"text": "@bob look, @nobody <script>alert(1)</script>"})
    page = as_vic.get(address("record", chats, record.pk)).content.decode()
    assert '<span class="mention">@bob</span>' in page
    assert "<script>alert(1)" not in page
    assert "@nobody" in page
    home = as_bob.get(reverse("curation:mentions", args=[chats.project_id])).content.decode()
    assert "ann named you" in home
    assert "is-unread" in home
    comment = Comment.objects.get()
    as_bob.post(address("settle_comment", chats, record.pk, comment.pk, "resolve"))
    comment.refresh_from_db()
    assert comment.resolved_by == bob
    assert as_vic.post(address("settle_comment", chats, record.pk, comment.pk, "reopen")).status_code == 403
    as_ann.post(address("settle_comment", chats, record.pk, comment.pk, "reopen"))
    comment.refresh_from_db()
    assert comment.resolved_at is None


def test_names_are_completed_for_members_only(chats, as_ann, as_vic, as_charlie, bob):
    here = reverse("curation:mention_names", args=[chats.project_id])
    assert as_ann.get(here, {"q": "look @bo"}).json()["items"] == [{"text": "@bob", "note": "", "start": 5}]
    assert as_ann.get(here, {"q": "look @charl"}).json()["items"] == []
    assert as_ann.get(here, {"q": "bob@bo"}).json()["items"] == []
    assert as_vic.get(here).status_code == 403
    assert as_charlie.get(here).status_code == 404


def test_mentions_are_ones_own(chats, ann, bob, clients):
    record = make_record(chats, 1)
    comments.post(record, ann, "@bob")
    here = reverse("curation:mentions", args=[chats.project_id])
    assert {who: client.get(here).status_code for who, client in clients.items()} == EVERYBODY | {"charlie": 404}
    assert "ann named you" not in clients["alice"].get(here).content.decode()
    read = reverse("curation:read_mentions", args=[chats.project_id])
    mention = Mention.objects.get()
    assert clients["alice"].post(read, {"mention": mention.pk}).status_code == 404
    assert clients["bob"].post(read).status_code == 302
    mention.refresh_from_db()
    assert mention.read_at is not None


def test_progress_shows_editors_everybody_and_others_themselves(disagreement, chats, clients):
    assert {one.name for one in clients["bob"].get(address("progress", chats)).context["people"]} == {"alice", "ann"}
    assert {one.name for one in clients["ann"].get(address("progress", chats)).context["people"]} == {"ann"}
    assert clients["ann"].get(address("progress", chats) + "?all").status_code == 200


def test_the_agreement_page_has_measures_and_what_differs_most(disagreement, chats, as_vic):
    page = as_vic.get(address("agreement", chats)).content.decode()
    assert "Krippendorff&#x27;s alpha, nominal" in page
    assert f"record {disagreement.record_id}" in page
    assert "Not enough answers" in as_vic.get(address("agreement", chats) + "?until=2001-01-01").content.decode()
    assert as_vic.get(address("agreement", chats) + "?since=nonsense").status_code == 200


def test_many_answers_are_measured_by_a_job(disagreement, chats, as_bob, clients, monkeypatch):
    from atelier.jobs import claims
    from curation.models import AgreementReport

    monkeypatch.setattr(agreement, "AT_ONCE", 2)
    page = as_bob.get(address("agreement", chats)).content.decode()
    assert "measured in the background" in page
    answer = as_bob.post(address("measure_agreement", chats))
    job = AgreementReport.objects.get()
    if not job.is_over:
        claims.execute(AgreementReport, job.pk, agreement.run)
        job.refresh_from_db()
    assert job.status == "done", job.error
    assert job.figures["records"] == 2
    found = {who: client.get(answer.url).status_code for who, client in clients.items()}
    assert found == EVERYBODY
    assert "Measure again" in as_bob.get(address("agreement", chats)).content.decode()


def test_it_all_goes_over_the_api(disagreement, chats, bob_api, ann):
    def post(path, body=None, **headers):
        return bob_api.post(api(chats, path), json.dumps(body or {}), content_type="application/json", headers=headers)

    figures = bob_api.get(api(chats, "agreement")).json()["figures"]
    assert figures["questions"][0]["pairs"] == [{"a": "alice", "b": "ann", "records": 2, "percent": 0.5, "kappa": 0.0}]
    jobs = [post("agreement", **{"Idempotency-Key": "one"}).json()["id"] for _ in range(2)]
    assert jobs[0] == jobs[1]
    assert bob_api.get(f"/api/projects/{chats.project_id}/agreement/{jobs[0]}").status_code == 200
    listed = bob_api.get(api(chats, "disagreements")).json()["items"]
    assert [one["record"] for one in listed] == [disagreement.record_id]
    settled = post(f"disagreements/{disagreement.pk}/settle", {"answers": {"tone": "loud"}, "note": "why"})
    assert settled.json()["stands"] == {"tone": "loud"}
    assert post(f"disagreements/{disagreement.pk}/settle", {"answers": {"tone": "loud"}}).status_code == 200
    assert post(f"disagreements/{disagreement.pk}/settle", {"answers": {"tone": "plain"}}).status_code == 422
    assert post(f"disagreements/{disagreement.pk}/undo").json()["state"] == "disputed"
    waiting = bob_api.get(api(chats, "reviewing?person=ann&limit=1")).json()
    assert waiting["next"] == waiting["items"][0]["id"]
    first = waiting["items"][0]["id"]
    assert post(f"reviewing/{first}/accept").json()["review"] == "accepted"
    assert post(f"reviewing/{first}/return", {"note": "again"}).json()["state"] == "open"
    assert post(f"reviewing/{first}/accept").status_code == 404
    record = make_record(chats, 70)
    body = {"honeypots": [{"record": record.pk, "answers": {"tone": "loud"}}]}
    assert post("honeypots", body).json() == {"stored": 1}
    assert post("honeypots", {"honeypots": [{"record": record.pk, "answers": {"tone": "red"}}]}).status_code == 422
    known = bob_api.get(api(chats, "honeypots")).json()["items"]
    assert known[0]["answers"] == {"tone": "loud"}
    assert bob_api.delete(api(chats, f"honeypots/{known[0]['id']}")).status_code == 204
    assert {one["name"] for one in bob_api.get(api(chats, "progress")).json()} == {"alice", "ann"}
    made = post(f"records/{record.pk}/comments", {"text": "@ann see"})
    assert made.status_code == 201
    resolved = post(f"records/{record.pk}/comments/{made.json()['id']}/resolve")
    assert resolved.json()["resolved_by"] == "bob"
    assert len(bob_api.get(api(chats, f"records/{record.pk}/comments")).json()) == 1
    assert comments.unread(ann, chats.project) == 2  # sent back, and named
    assert bob_api.get(f"/api/projects/{chats.project_id}/mentions").json() == []
    comments.post(record, ann, "@bob look")
    [told] = bob_api.get(f"/api/projects/{chats.project_id}/mentions").json()
    assert (
        bob_api.get(api(chats.project.datasets.get(pk=told["dataset"]), f"records/{told['record']}")).status_code == 200
    )
    assert bob_api.get(api(chats, f"annotations?record={2**63}")).status_code == 422


def test_honeypots_of_answered_records_are_refused(disagreement, chats):
    with pytest.raises(Exception, match="was already answered or given"):
        honeypots.mark(chats, [{"record": disagreement.record_id, "answers": {"tone": "loud"}}])


@pytest.mark.parametrize("leave", ["skip", "expire"])
def test_a_record_that_somebody_saw_becomes_no_honeypot(waiting, chats, as_bob, ann, leave):
    box = waiting(2)
    Record.objects.filter(dataset=chats).update(labels=["loud"])
    given = queue.next_task(box, ann)
    if leave == "skip":
        answers.skip(given, "not mine")
    else:
        Annotation.objects.update(expires_at=timezone.now() - timedelta(hours=1))
        queue.free_expired(box)
    unseen = chats.records.exclude(pk=given.record_id).get()
    for record, offered in ((given.record, False), (unseen, True)):
        assert (
            "Make it a control question" in as_bob.get(address("record", chats, record.pk)).content.decode()
        ) is offered
    assert [row["record"] for row in honeypots.from_labels(chats, chats.records.all())] == [unseen.pk]
    with pytest.raises(ValidationError, match="given to someone"):
        honeypots.mark(chats, [{"record": given.record_id, "answers": {"tone": "loud"}}])


def test_the_review_step_counts_what_waits_for_people(disagreement, chats, project, as_bob):
    from atelier import registry

    home = reverse("project", args=[project.pk])
    assert registry.counts(project)["review"] == 3  # two conversations, and one of them is disputed
    assert "records to review, 1 disagreement to decide." in as_bob.get(home).content.decode()
    landing = as_bob.get(reverse("curation:review", args=[project.pk])).content.decode()
    assert "Answers: 4 not reviewed" in landing
    chats.records.update(status="accepted")
    assert registry.counts(project)["review"] == 1
    disagreement.known = {"tone": "plain"}
    disagreement.save()
    assert registry.counts(project)["review"] == 0


def test_documents_in_a_queue_wait_for_answers(project, ann, as_bob):
    from atelier import registry
    from curation.annotation import questions
    from curation.datasets import settings
    from curation.models import Record
    from curation.records import derived

    notes = settings.create(project, ann, "Notes", "documents")
    for number in range(3):
        derived.complete(Record(dataset=notes, fields={"text": f"note {number}"}, split="train")).save()
    assert registry.counts(project)["review"] == 0
    questions.create(notes, title="Tone", kind="label", options={"labels": ["plain", "loud"]})
    box = queue.of(notes)
    queue.fill(notes, notes.records.all())
    assert registry.counts(project)["review"] == 3
    answers.submit(queue.next_task(box, ann), {"tone": "plain"}, 1)
    assert registry.counts(project)["review"] == 2
    assert "documents to answer." in as_bob.get(reverse("project", args=[project.pk])).content.decode()
