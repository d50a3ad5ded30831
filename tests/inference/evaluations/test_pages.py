"""Pages of evaluations, by role, and what they show of scores and answers."""

from html import unescape

import pytest

from atelier.jobs import claims
from inference import endpoints
from inference.evaluations import job as evaluation_job
from inference.evaluations import ledger
from inference.models import Evaluation
from tests.inference.asking import RULES, frozen, pair, teacher_server

URL = "http://127.0.0.1:9/v1"
HTMX = {"HX-Request": "true"}
SENT = {"split": "test", "temperature": "0", "top_p": "1", "max_tokens": "256", "concurrency": "4", "rules": RULES}


@pytest.fixture
def version(project, alice):
    return frozen(project, alice)


@pytest.fixture
def done(version, alice):
    """Return an evaluation that has run: the base's answers use "amazing", the tuned one's are short."""
    with teacher_server(
        reply=lambda body: "Amazing <script>alert(1)</script>" if body["model"] == "base" else "Short."
    ) as server:
        job = ledger.create(version, alice, pair(version.project, server.url), rules=RULES)
        claims.execute(Evaluation, job.pk, lambda claim: evaluation_job.run(claim, endpoints.client_for))
    job.refresh_from_db()
    return job


@pytest.fixture
def waiting(version, alice):
    return ledger.create(version, alice, pair(version.project, URL), rules=RULES)


def at(project, rest=""):
    return f"/projects/{project.pk}/evaluate/{rest}"


def words(answer) -> str:
    return unescape(answer.content.decode())


ROLES = ["alice", "bob", "ann", "vic", "charlie"]
READ, EDIT = "vic", "bob"
ADDRESSES = [
    ("get", "", READ), ("get", "new", EDIT), ("get", "{e}/", READ), ("get", "{e}/progress", READ), ("get", "{e}/answers.csv", READ),
    ("get", "{e}/answers/{a}/diff", READ), ("post", "{e}/pause", EDIT), ("get", "{e}/delete", EDIT),
]  # fmt: skip


@pytest.mark.parametrize(("method", "address", "smallest"), ADDRESSES)
def test_every_address_asks_for_its_role(request, project, done, method, address, smallest):
    address = at(project, address.format(e=done.pk, a=done.answers.first().pk))
    for name in ROLES:
        status = getattr(request.getfixturevalue(f"as_{name}"), method)(address).status_code
        if name == "charlie":
            assert status == 404
        elif ROLES.index(name) > ROLES.index(smallest):
            assert status == 403
        else:
            assert status in (200, 302)


def test_an_empty_list_leads_to_what_is_missing(as_alice, as_vic, project, alice):
    assert "Freeze a version first" in words(as_alice.get(at(project)))
    assert "Freeze a version first" in words(as_alice.get(at(project, "new")))
    assert "When an editor starts" in words(as_vic.get(at(project)))
    frozen(project, alice)
    assert "Deploy a model first" in words(as_alice.get(at(project)))
    pair(project, URL)
    assert "New evaluation" in words(as_alice.get(at(project)))


def test_an_evaluation_is_started_from_the_form(as_bob, project, version):
    base, tuned = pair(project, URL)
    page = words(as_bob.get(at(project, f"new?version={version.pk}&endpoints={base.pk},{tuned.pk}")))
    assert page.count(" checked") == 2
    answer = as_bob.post(at(project, "new"), {"version": version.pk, "endpoints": [tuned.pk, base.pk], **SENT})
    made = Evaluation.objects.get()
    assert answer["Location"] == at(project, f"{made.pk}/")
    assert [entrant["name"] for entrant in made.entrants] == ["Base", "Tuned"]
    assert made.status == "queued"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"rules": "[[rule"}, "not valid TOML"), ({"endpoints": []}, "at least one model"), ({"limit": "0"}, "greater than or equal to 1"),
        ({"version": "999999"}, "valid choice"), ({"temperature": "nan"}, "number"), ({"split": "other"}, "valid choice"),
    ],
)  # fmt: skip
def test_bad_input_comes_back_with_a_sentence(as_bob, project, version, wrong, sentence):
    base, _ = pair(project, URL)
    answer = as_bob.post(at(project, "new"), {"version": version.pk, "endpoints": [base.pk], **SENT, **wrong})
    assert answer.status_code == 422
    assert sentence in words(answer)
    assert not Evaluation.objects.exists()


def test_the_page_shows_scores_intervals_and_clear_differences(as_vic, project, done):
    page = words(as_vic.get(at(project, f"{done.pk}/")))
    assert "Follows every rule" in page
    assert "Right shape" in page
    assert "+100 points, too few to tell" in page
    assert "Intervals are 95% confidence intervals" in page
    assert "chrF" in page
    assert f"{done.total} answered, 0 failed" in page


def test_each_row_shows_reference_answers_and_verdicts_as_text(as_vic, project, done):
    raw = as_vic.get(at(project, f"{done.pk}/")).content.decode()
    assert "<script>alert" not in raw
    page = unescape(raw)
    assert "Amazing <script>" in page
    assert "Follows every rule" in page
    assert "<summary>hype</summary>" in page


def test_rows_are_filtered_by_the_rule_they_break(as_vic, project, done):
    rows = done.total // 2
    assert f"{rows} row" in words(as_vic.get(at(project, f"{done.pk}/?fails=hype"), headers=HTMX))
    assert "No rows match" in words(as_vic.get(at(project, f"{done.pk}/?fails=failed"), headers=HTMX))
    assert as_vic.get(at(project, f"{done.pk}/?fails=%27%22&by=x&after=-1")).status_code == 200


def test_rows_go_on_by_number(as_vic, project, done, monkeypatch):
    from inference.evaluations import answers

    monkeypatch.setattr(answers, "PAGE", 1)
    first = words(as_vic.get(at(project, f"{done.pk}/"), headers=HTMX))
    assert 'id="row-1"' in first
    assert 'id="row-2"' not in first
    assert 'id="row-2"' in words(as_vic.get(at(project, f"{done.pk}/?after=1"), headers=HTMX))


def test_the_diff_is_against_the_reference(as_vic, project, done):
    answer = done.answers.first()
    page = words(as_vic.get(at(project, f"{done.pk}/answers/{answer.pk}/diff"), headers=HTMX))
    assert "<ins>" in page
    assert "<del>" in page


def test_downloads_are_attachments(as_vic, project, done):
    for kind, content_type in (("csv", "text/csv"), ("jsonl", "application/x-ndjson")):
        answer = as_vic.get(at(project, f"{done.pk}/answers.{kind}"))
        assert answer["Content-Type"].startswith(content_type)
        assert "attachment" in answer["Content-Disposition"]
        assert len(b"".join(answer.streaming_content).splitlines()) >= done.total
    assert as_vic.get(at(project, f"{done.pk}/answers.exe")).status_code == 400


def test_progress_is_polled_while_it_lives_and_the_page_comes_anew_at_the_end(as_vic, project, waiting):
    assert "hx-get" in words(as_vic.get(at(project, f"{waiting.pk}/progress"), headers=HTMX))
    Evaluation.objects.filter(pk=waiting.pk).update(status="done")
    answer = as_vic.get(at(project, f"{waiting.pk}/progress"), headers=HTMX)
    assert answer["HX-Refresh"] == "true"
    assert "hx-get" not in words(answer)


def test_cancel_pause_and_resume(as_bob, project, waiting):
    for move, status in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled"), ("resume", "queued")):
        assert as_bob.post(at(project, f"{waiting.pk}/{move}"), headers=HTMX).status_code == 200
        waiting.refresh_from_db()
        assert waiting.status == status
    assert as_bob.post(at(project, f"{waiting.pk}/explode")).status_code == 400


def test_deleting_asks_first_and_not_while_it_runs(as_bob, project, waiting):
    assert as_bob.get(at(project, f"{waiting.pk}/delete")).status_code == 400
    waiting.cancel()
    assert "Delete this evaluation?" in words(as_bob.get(at(project, f"{waiting.pk}/delete")))
    as_bob.post(at(project, f"{waiting.pk}/delete"))
    assert not Evaluation.objects.exists()


def test_the_home_shows_where_the_steps_stand(as_alice, project, done):
    page = words(as_alice.get(f"/projects/{project.pk}/"))
    assert "0% against 100% follow every rule." in page
