"""A person annotates with the keyboard alone, in a browser: the next record is there at once, drafts survive, u goes back."""

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import Visitor
from tests.system.installation import running

pytestmark = pytest.mark.browser
SEED = """
from atelier.accounts.models import Project, Team
from curation.records import derived as contents
from curation.annotation import questions, queue, suggestions
from curation.models import Annotation, Dataset, Record
team = Team.objects.get()
project = Project.objects.create(team=team, name="Briefs", guidelines="# Plain words <canary-x>", created_by=team.users.get())
dataset = Dataset.objects.create(project=project, name="Rewrites", kind="conversations")
for n in range(12):
    record = Record(dataset=dataset, split="train", source_group=f"{n:064d}", fields={"brief": f"brief {n} <canary-x>"},
        messages=[{"role": "user", "content": "Write."}, {"role": "assistant", "content": f"\\U0001F600 Town Hall {n} opens.\\r\\nMira sells."}])
    contents.complete(record)
    record.save()
labels = {"labels": ["plain", "loud", *(f"topic {n}" for n in range(9))]}
questions.create(dataset, title="Tone", kind="label", options=labels)
questions.create(dataset, title="Stars", kind="rating", options={"low": 1, "high": 5})
questions.create(dataset, title="Places", kind="spans", options={"labels": ["place", "person"], "piece": "answer"})
questions.create(dataset, title="Note", kind="comment", required=False)
queue.fill(dataset, dataset.records.all())
suggestions.put(dataset, [{"record": pk, "question": "stars", "value": 4, "score": 0.9, "source": "small"}
    for pk in dataset.records.values_list("pk", flat=True)])
result = f"/projects/{project.pk}/annotate/{dataset.pk}/"
"""
ANSWERS = """
from curation.models import Annotation
result = list(Annotation.objects.filter(state="submitted").order_by("pk").values_list("answers", flat=True))
"""


def test_annotating_with_the_keyboard_alone(tmp_path, visit):
    with running(tmp_path / "data", "redis", "web") as installation:
        here = installation.run(SEED)
        visitor = visit(installation.base_url)
        visitor.sign_in(*installation.login())
        visitor.go(here)
        expect(visitor.page.locator("[data-question].is-current legend")).to_contain_text("Tone")
        answer_by_keys(visitor)
        visitor.look("annotate")
        survives_a_reload(visitor)
        the_last_letters_survive_too(visitor)
        submit_and_see_the_next(visitor)
        assert installation.run(ANSWERS) == [
            {"tone": "loud", "stars": 4, "places": [{"start": 2, "end": 11, "label": "place"}], "note": "good so"}
        ]
        mark_words_at_once(visitor)
        search_a_label(visitor)
        missing_answers_are_said(visitor)
        go_back(visitor)
        skip_with_a_reason(visitor)
        assert visitor.page.locator("canary-x").count() == 0
        assert visitor.complaints == []


def answer_by_keys(visitor: Visitor) -> None:
    visitor.key("2")  # the tone; on to the stars
    visitor.key("t")  # what is suggested; on to the places, whose text has the focus
    keys = visitor.page.keyboard
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowRight", "1"):
        keys.press(key)
    expect(visitor.page.locator(".spans-text mark")).to_have_text("Town Hall")
    keys.press("ArrowDown")
    visitor.key("e")
    keys.type("good")
    expect(visitor.page.locator("[data-draft-state]")).to_have_text("Draft saved")


def survives_a_reload(visitor: Visitor) -> None:
    visitor.page.reload()
    expect(visitor.page.locator(".spans-text mark")).to_have_text("Town Hall")
    expect(visitor.page.get_by_label("loud", exact=False).first).to_be_checked()
    expect(visitor.page.get_by_role("textbox", name="Note")).to_have_value("good")


def the_last_letters_survive_too(visitor: Visitor) -> None:
    """Check that text typed less than a moment before the reload is kept: no draft was sent yet."""
    note = visitor.page.get_by_role("textbox", name="Note")
    note.press("End")
    note.press_sequentially(" so")
    visitor.page.reload()
    expect(note).to_have_value("good so")


def mark_words_at_once(visitor: Visitor) -> None:
    """Check that arrows move through the text of the marked question when nothing has the focus on a record just shown."""
    for _ in range(2):
        visitor.key("ArrowDown")
    visitor.key("ArrowRight")
    expect(visitor.page.locator(".spans-text .is-selected")).to_have_text("\U0001f600")
    visitor.key("Escape")
    expect(visitor.page.locator(".spans-text .is-selected")).to_have_count(0)
    for _ in range(2):
        visitor.key("ArrowUp")


def submit_and_see_the_next(visitor: Visitor) -> None:
    visitor.page.wait_for_load_state("networkidle")  # the next is fetched ahead
    first = visitor.page.locator("[data-task]").get_attribute("data-task")
    visitor.key("Enter")
    expect(visitor.page.locator(f'[data-task="{first}"]')).to_have_count(0)
    expect(visitor.page.locator("[data-annotate-line]")).to_contain_text("1 by you today, 11 left")
    shown_in = visitor.page.locator("[data-annotate]").get_attribute("data-shown-in")
    assert shown_in is not None, "the next record was not there ahead"
    print(f"From submit to the next record on screen: {shown_in} ms")  # 100 are meant


def search_a_label(visitor: Visitor) -> None:
    visitor.key("/")
    visitor.page.keyboard.type("topic 8")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator('input[value="topic 8"]')).to_be_checked()


def missing_answers_are_said(visitor: Visitor) -> None:
    before = visitor.page.locator("[data-task]").get_attribute("data-task")
    visitor.key("Enter")
    expect(visitor.page.get_by_text("This question needs an answer.")).to_be_visible()
    assert visitor.page.locator("[data-task]").get_attribute("data-task") == before


def go_back(visitor: Visitor) -> None:
    visitor.page.wait_for_load_state("networkidle")
    visitor.key("u")
    expect(visitor.page.locator(".toast").first).to_contain_text("Undone.")
    expect(visitor.page.locator(".spans-text mark")).to_have_text("Town Hall")


def skip_with_a_reason(visitor: Visitor) -> None:
    before = visitor.page.locator("[data-task]").get_attribute("data-task")
    visitor.key("s")
    visitor.page.keyboard.type("broken text")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator(f'[data-task="{before}"]')).to_have_count(0)
