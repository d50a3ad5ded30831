"""Parts of a text are marked with the mouse, and with a finger on a phone."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visitor import PHONE, Visitor
from tests.system.installation import running

pytestmark = pytest.mark.browser
TEXT = "\U0001f600 The Town Hall opens at nine.\r\nMira Oloway sells the tickets, until the last of them is gone and the lights go out."
SEED = """
from atelier.accounts.models import Project, Team
from curation.records import derived
from curation.annotation import questions, queue
from curation.models import Dataset, Record
team = Team.objects.get()
project = Project.objects.create(team=team, name="Briefs", created_by=team.users.get())
dataset = Dataset.objects.create(project=project, name="Rewrites", kind="conversations")
for n in range(3):
    record = Record(dataset=dataset, source_group=f"{n:064d}", messages=[{"role": "user", "content": f"Write {n}."}, {"role": "assistant", "content": text}])
    derived.complete(record)
    record.save()
questions.create(dataset, title="Names", kind="spans", options={"labels": ["place", "person"], "piece": "answer"})
queue.fill(dataset, dataset.records.all())
result = f"/projects/{project.pk}/annotate/{dataset.pk}/"
"""
ANSWERS = """
from curation.models import Annotation
result = [given["names"] for given in Annotation.objects.filter(state="submitted").order_by("submitted_at").values_list("answers", flat=True)]
"""
# The middle of some words of the text on the screen, by its first letter and length.
WHERE = """([words, part]) => {
  const box = document.querySelector(".spans-text");
  const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const at = node.data.indexOf(words);
    if (at < 0) continue;
    const range = document.createRange();
    range.setStart(node, at);
    range.setEnd(node, at + words.length);
    const found = range.getClientRects()[0];
    return [found.left + found.width * part, found.top + found.height / 2];
  }
}"""


def test_words_are_marked_with_the_mouse_and_with_a_finger(tmp_path, visit, browser):
    with running(tmp_path / "data", "redis", "web") as installation:
        here = installation.run(SEED, text=TEXT)
        visitor: Visitor = visit(installation.base_url)
        visitor.sign_in(*installation.login())
        visitor.go(here)
        with_the_mouse(visitor.page)
        marked = [span("Town Hall", "place"), span("Mira Oloway", "person")]
        submit(visitor.page)
        assert installation.run(ANSWERS) == [marked]
        phone = browser.new_context(
            base_url=installation.base_url, viewport=PHONE, has_touch=True, is_mobile=True,
            storage_state=visitor.context.storage_state(),
        )  # fmt: skip
        page = phone.new_page()
        page.goto(here)
        with_a_finger(page)
        submit(page)
        phone.close()
        assert installation.run(ANSWERS) == [marked, marked]
        assert visitor.complaints == []


def span(words: str, label: str) -> dict[str, Any]:
    start = TEXT.index(words)  # in characters: the face counts as one, the line's end as two
    return {"start": start, "end": start + len(words), "label": label}


def at(page: Page, words: str, part: float = 0.5) -> tuple[float, float]:
    page.locator(".spans-text").scroll_into_view_if_needed()
    x, y = page.evaluate(WHERE, [words, part])
    return x, y


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def with_the_mouse(page: Page) -> None:
    """Mark a span with the mouse, from within a word to within another: whole words. With Alt to the character.

    A click lets go.
    """
    text = page.locator(".spans-text")
    drag(page, at(page, "Town"), at(page, "Hall"))
    expect(text.locator(".is-selected")).to_have_text("Town Hall")
    page.get_by_role("button", name="place").click()
    expect(text.locator("mark")).to_have_text("Town Hall")
    expect(text.locator(".is-selected")).to_have_count(0)
    page.keyboard.down("Alt")
    drag(page, at(page, "tickets", 0.01), at(page, "tickets", 0.4))
    page.keyboard.up("Alt")
    expect(text.locator(".is-selected")).to_have_text("tic")
    page.mouse.click(*at(page, "nine"))
    expect(text.locator(".is-selected")).to_have_count(0)
    drag(page, at(page, "Oloway"), (2, at(page, "Mira")[1]))  # backwards, and out of the text
    page.mouse.click(*at(page, "nine"))
    drag(page, at(page, "Oloway"), at(page, "Mira"))
    page.keyboard.press("2")
    expect(page.locator("[data-spans-list] li")).to_have_text(["place Town Hall remove", "person Mira Oloway remove"])


def with_a_finger(page: Page) -> None:
    """Mark a span with a finger: a tap takes a word, another extends to that, one on it lets go; the label is tapped too."""
    text = page.locator(".spans-text")
    for words, selected in (("Town", "Town"), ("Hall", "Town Hall")):
        page.touchscreen.tap(*at(page, words))
        expect(text.locator(".is-selected")).to_have_text(selected)
    page.get_by_role("button", name="place").tap()
    expect(text.locator("mark")).to_have_text("Town Hall")
    page.touchscreen.tap(*at(page, "nine"))
    expect(text.locator(".is-selected")).to_have_text("nine")
    page.touchscreen.tap(*at(page, "nine"))
    expect(text.locator(".is-selected")).to_have_count(0)
    page.touchscreen.tap(*at(page, "Oloway", 0.1))
    page.touchscreen.tap(*at(page, "Mira", 0.9))
    page.get_by_role("button", name="person").tap()
    expect(page.locator("[data-spans-list] li")).to_have_count(2)


def submit(page: Page) -> None:
    first = page.locator("[data-task]").get_attribute("data-task")
    page.get_by_role("button", name="Submit").first.click()
    expect(page.locator(f'[data-task="{first}"]')).to_have_count(0)
