"""An editor decides disagreements with the keyboard alone, in a browser, takes one back, and says something about it."""

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import Visitor
from tests.system.installation import running

pytestmark = pytest.mark.browser
SEED = """
from atelier.accounts.models import Membership, Project, Team, User
from curation.records import derived
from curation.annotation import answers, questions, queue
from curation.models import Dataset, Record
team = Team.objects.get()
project = Project.objects.create(team=team, name="Briefs", created_by=team.users.get())
dataset = Dataset.objects.create(project=project, name="Rewrites", kind="conversations")
for n in range(2):
    record = Record(dataset=dataset, split="train", source_group=f"{n:064d}", fields={"brief": f"brief {n}"},
        messages=[{"role": "user", "content": "Write."}, {"role": "assistant", "content": f"Town Hall {n} <canary-x>opens</canary-x>."}])
    derived.complete(record)
    record.save()
questions.create(dataset, title="Tone", kind="label", options={"labels": ["plain", "loud"]})
questions.create(dataset, title="Places", kind="spans", options={"labels": ["place"], "piece": "answer"})
questions.create(dataset, title="Text", kind="text", options={"piece": "answer"})
box = queue.of(dataset)
box.overlap = 2
box.save()
queue.fill(dataset, dataset.records.all())
for name, tone, end in (("ann", "plain", 9), ("bob", "loud", 4)):
    user = User.objects.create_user(username=name)
    Membership.objects.create(team=team, user=user, role="annotator")
    for _ in range(2):
        given = queue.next_task(box, user)
        text = given.record.messages[-1]["content"] + (" Come!" if name == "bob" else "")
        answers.submit(given, {"tone": tone, "places": [{"start": 0, "end": end, "label": "place"}], "text": text})
result = [f"/projects/{project.pk}/annotate/{dataset.pk}/disagreements", f"/projects/{project.pk}/data/{dataset.pk}/records/{dataset.records.first().pk}"]
"""
STANDS = """
from curation.models import Task
result = [[task.state, task.answers.get("tone"), task.settled_note] for task in Task.objects.order_by("pk")]
"""
REVIEWED = """
from curation.models import Annotation
looked = Annotation.objects.exclude(review="").order_by("reviewed_at")
result = [[one.author, one.review, one.review_note] for one in looked.select_related("user")]
"""

TEXT_FIRST = """
from curation.annotation import questions
from curation.models import Dataset
dataset = Dataset.objects.get()
questions.reorder(dataset, [one.pk for one in dataset.questions.order_by("-pk")])
"""
CORRECTED = """
from curation.models import Annotation
result = Annotation.objects.get(review="corrected").task.answers["text"]
"""


def test_disagreements_are_decided_with_the_keyboard(tmp_path, visit):
    with running(tmp_path / "data", "redis", "web") as installation:
        here, record = installation.run(SEED)
        visitor = visit(installation.base_url)
        visitor.sign_in(*installation.login())
        visitor.go(here)
        visitor.look("disagreements")
        visitor.key("Enter")
        expect(visitor.page.get_by_role("heading", name="Disagreement")).to_be_visible()
        visitor.look("disagreement")
        decide_by_keys(visitor)
        assert installation.run(STANDS) == [["done", "loud", "It shouts."], ["disputed", None, ""]]
        visitor.page.locator(".toast").get_by_role("button", name="Undo").click()
        expect(visitor.page.get_by_text("Decision undone").first).to_be_visible()
        assert installation.run(STANDS)[0] == ["disputed", None, ""]
        decide_by_keys(visitor)
        visitor.go(record)
        expect(visitor.page.get_by_text("It shouts.")).to_be_visible()
        comment_and_complete_a_name(visitor)
        visitor.look("outcome")
        installation.run(TEXT_FIRST)
        visitor.go(here.replace("disagreements", "reviewing"))
        review_by_keys(visitor)
        assert installation.run(REVIEWED) == [["ann", "returned", "Am I loud?"], ["ann", "corrected", ""]]
        assert installation.run(CORRECTED).startswith("All aboard. ")
        assert visitor.page.locator("canary-x").count() == 0
        assert visitor.complaints == []


def decide_by_keys(visitor: Visitor) -> None:
    for key in ("2", "1", "2"):  # the tone, the places, the text: each choice goes on to the next question
        visitor.key(key)
    visitor.key("w")
    visitor.page.keyboard.type("It shouts.")
    visitor.page.keyboard.press("Escape")
    before = visitor.page.url
    visitor.key("Enter")
    visitor.page.wait_for_url(lambda url: url != before)
    expect(visitor.page.locator(".toast").first).to_contain_text("is decided")


def review_by_keys(visitor: Visitor) -> None:
    """Check that text written while sending back or correcting stays text: `a` alone would accept."""
    shown = visitor.page.locator("[data-task]")
    first = shown.get_attribute("data-task") or ""
    visitor.key("r")
    visitor.page.keyboard.type("Am I loud?")
    visitor.page.keyboard.press("Control+Enter")
    expect(shown).not_to_have_attribute("data-task", first)
    second = shown.get_attribute("data-task") or ""
    visitor.key("c")
    visitor.page.keyboard.press("Home")
    visitor.page.keyboard.type("All aboard. ")
    visitor.key("a")  # nothing, while the correction is open
    expect(shown).to_have_attribute("data-task", second)
    visitor.page.keyboard.press("Control+Enter")
    expect(shown).not_to_have_attribute("data-task", second)


def comment_and_complete_a_name(visitor: Visitor) -> None:
    box = visitor.page.get_by_label("Comment", exact=True)
    box.click()
    visitor.page.keyboard.type("Look, @an")
    expect(visitor.page.get_by_role("option", name="@ann")).to_be_visible()
    visitor.page.keyboard.press("ArrowDown")
    visitor.page.keyboard.press("Enter")
    visitor.page.keyboard.type("again.")
    expect(box).to_have_value("Look, @ann again.")
    visitor.page.get_by_role("button", name="Comment", exact=True).click()
    expect(visitor.page.locator(".comment-text .mention")).to_have_text("@ann")
    visitor.page.get_by_role("button", name="Resolve").click()
    expect(visitor.page.locator("#comments .pill")).to_contain_text("Resolved")
