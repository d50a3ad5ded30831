"""A person goes once round the whole loop, in a browser, against the real processes: nothing in it is a stand-in.

The trainer trains SmolLM2 (for a few steps), vLLM serves it with and without the adapter. Only the teacher's answers
are recorded ones, as in the sample.
"""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.visitor import Visitor
from tests.system.installation import running

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SAMPLE = Path(__file__).resolve().parents[2] / "curation" / "sample"
STEPS = 6


def test_once_round_the_loop(tmp_path, visit):
    everything = ("redis", "web", "worker", "trainer", "server")
    with running(tmp_path / "data", *everything, ATELIER_JOB_LEASE="30") as installation:
        visitor = visit(installation.base_url)
        try:
            for walk in JOURNEY:
                walk(visitor) if walk is not sign_in else sign_in(visitor, *installation.login())
        except BaseException:
            visitor.page.screenshot(path=tmp_path / "where it stood.png", full_page=True)
            print(f"It stood at {visitor.page.url}. See {tmp_path}/where it stood.png")
            raise
        assert visitor.complaints == []


def sign_in(visitor: Visitor, name: str, password: str) -> None:
    visitor.go("/")
    assert "/sign-in" in visitor.page.url
    visitor.look("sign in")
    visitor.sign_in(name, password)
    visitor.look("no project")


def start_a_project(visitor: Visitor) -> None:
    visitor.follow(re.compile("New project|Create a project"))
    visitor.page.get_by_label("Name").fill("Plain Desk")
    visitor.page.get_by_label("Description").fill("Raw briefs into the house style")
    visitor.press("Create project")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Plain Desk")
    visitor.look("project, empty")
    visitor.rail("Settings")
    visitor.page.get_by_label("Guidelines").fill((SAMPLE / "style_guide.md").read_text())
    visitor.page.get_by_label("Student prompt").fill((SAMPLE / "student_prompt.txt").read_text().strip())
    visitor.page.get_by_label("Rules").fill((SAMPLE / "rules.toml").read_text())
    visitor.look("settings")
    visitor.press("Save")
    expect(visitor.page.locator(".toast").first).to_be_visible()


def import_by_drag_and_drop(visitor: Visitor) -> None:
    visitor.rail("Home")
    visitor.follow("Import a file")
    visitor.look("import")
    visitor.drop(SAMPLE / "briefs.csv")
    expect(visitor.page.locator("[data-files]")).to_contain_text("briefs.csv")
    visitor.press("Preview")
    expect(visitor.page.get_by_text("HUGE night at Fennick Town Hall").first).to_be_visible()
    visitor.look("import, preview")
    visitor.page.locator("#start").click()
    visitor.wait_job()
    expect(visitor.page.locator(".stats")).to_contain_text("144")
    visitor.look("import, done")


def read_the_table(visitor: Visitor) -> None:
    visitor.follow("See records")
    expect(visitor.page.get_by_role("status").filter(has_text="144")).to_be_visible()
    visitor.look("table")
    visitor.key("/")
    visitor.page.keyboard.type("Fennick")
    expect(visitor.page.get_by_text("of 144 match")).to_be_visible()
    expect(visitor.page).to_have_url(re.compile("q=Fennick"))
    visitor.follow("Show all")
    visitor.page.locator("td.clip a").first.click()
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("Record")
    visitor.look("document")


def add_the_recorded_teacher(visitor: Visitor) -> None:
    visitor.rail("Distil")
    visitor.look("distil, no teacher")
    visitor.follow("Add a teacher")
    visitor.look("endpoints, none")
    visitor.follow("Add Recorded answers")
    visitor.page.get_by_label("Name").fill("Sample teacher")
    visitor.page.get_by_label("Recorded answers").set_input_files(SAMPLE / "answers.jsonl")
    visitor.look("endpoint, new")
    visitor.press("Add", exact=True)
    expect(visitor.page.get_by_text("Sample teacher").first).to_be_visible()
    visitor.look("endpoint")


def distil(visitor: Visitor) -> None:
    visitor.rail("Distil")
    visitor.follow("Choose records and teacher")
    page = visitor.page
    page.get_by_label("Prompt", exact=True).fill("")
    page.locator("#columns").get_by_role("button", name="text").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value(re.compile(r"\{\{ ?text ?\}\}"))
    page.get_by_label("Name of the new dataset").fill("Plain Desk briefs")
    visitor.look("distil, form")
    visitor.press("Preview 3 records")
    expect(page.get_by_role("article", name=re.compile("^Preview"))).to_have_count(3)
    expect(page.locator(".preview-answer")).to_have_count(3)
    visitor.look("distil, preview")
    page.locator("#start-button").click()
    visitor.wait_job(seconds=90)
    expect(page.locator(".job")).to_contain_text("144 of 144")
    visitor.look("distillation")
    visitor.follow("Ledger", exact=True)
    visitor.look("ledger")
    page.go_back()
    visitor.follow("Review the answers")
    visitor.look("answers")


def review_by_keys(visitor: Visitor) -> None:
    """Review by keys: a accepts and continues, j and k walk, e edits."""
    page = visitor.page
    visitor.follow("Review", exact=True)
    heading = page.get_by_role("heading", level=1)
    first = heading.inner_text()
    visitor.look("record")
    visitor.key("j")
    expect(heading).not_to_have_text(first)
    second = heading.inner_text()
    visitor.key("k")
    expect(heading).to_have_text(first)
    visitor.key("a")
    expect(heading).to_have_text(second)
    visitor.key("e")
    answer = page.locator("textarea[name^='text.']").last
    answer.fill(answer.input_value() + " Fixed by hand.")
    visitor.look("record, edit")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Fixed by hand.").first).to_be_visible()
    expect(page.locator("#history").locator("xpath=../..")).to_contain_text("owner")
    visitor.look("record, edited")
    visitor.key("a")
    expect(heading).not_to_have_text(second)
    visitor.key("u")
    expect(page).to_have_url(re.compile(r"/data/\d+/\?"))


def accept_all_with_undo(visitor: Visitor) -> None:
    """Accept all 142 that are left, over several pages of the table; undo it, and accept them again."""
    page, waiting = visitor.page, re.sub(r"\?.*", "?status=new", visitor.page.url)
    visitor.go(waiting)
    _accept_all(visitor)
    visitor.look("accepted in bulk")
    page.get_by_role("button", name="Undo").first.click()
    page.locator('.job[data-status="done"]').or_(page.locator(".toast")).first.wait_for()
    visitor.go(waiting)
    _accept_all(visitor)
    visitor.go(waiting)
    expect(page.get_by_role("heading", name="All caught up")).to_be_visible()
    visitor.look("nothing matches")


def _accept_all(visitor: Visitor) -> None:
    page = visitor.page
    expect(page.get_by_role("status").filter(has_text="record").first).to_contain_text("142")
    page.get_by_label("All on this page").check()
    page.get_by_role("button", name=re.compile("^Select all 142")).click()
    page.get_by_role("group", name="Actions for the selection").get_by_role("button", name="Accept").click()
    page.get_by_role("button", name="Undo").first.wait_for()


def freeze(visitor: Visitor) -> None:
    page = visitor.page
    visitor.rail("Versions")
    visitor.look("versions, none")
    visitor.follow(re.compile("Freeze"))
    for split, share in (("train", "70"), ("validation", "15"), ("test", "15")):
        page.locator(f"[name={split}]").fill(share)
    visitor.look("version, form")
    visitor.press("Freeze", exact=True)
    expect(page.get_by_role("heading", name="Splits")).to_be_visible(timeout=180_000)
    expect(page.locator(".stats")).to_contain_text("144")
    page.locator("#card summary").click()
    visitor.look("version")
    with page.expect_download() as started:
        page.get_by_role("link", name="JSONL").first.click()
    assert Path(started.value.path()).read_text().count("\n") > 50


def train(visitor: Visitor) -> None:
    page = visitor.page
    visitor.follow("Train on this version")
    page.get_by_text("Advanced settings").click()
    few = {"max_steps": STEPS, "batch_size": 2, "max_length": 256, "rank": 4, "eval_every": 3, "save_every": 3}
    for name, value in few.items():
        page.locator(f"[name={name}]").fill(str(value))
    visitor.look("run, form")
    visitor.press("Start training")
    expect(page.locator("#live")).to_be_visible()
    page.locator("#losses canvas").first.wait_for()
    page.locator('#live .stats:has-text("Loss")').wait_for(timeout=720_000)
    visitor.look("run, live")
    page.locator('.job[data-status="done"], .job[data-status="failed"]').wait_for(timeout=720_000)
    expect(page.locator('.job[data-status="done"]')).to_contain_text(f"{STEPS} of {STEPS}")
    expect(page.locator("#about")).to_contain_text("Adapter")
    visitor.look("run, done")


def deploy(visitor: Visitor) -> None:
    page = visitor.page
    visitor.press("Deploy", exact=True)
    expect(page.get_by_role("heading", name="Serving")).to_be_visible()
    visitor.look("models, starting")
    page.locator('.deployment[data-state="ready"], .deployment[data-state="failed"]').wait_for(timeout=900_000)
    page.locator("#compare-ready").wait_for(timeout=180_000)
    visitor.look("models, ready")


def compare(visitor: Visitor) -> None:
    page = visitor.page
    page.locator("#compare-ready").click()
    page.locator("[name=temperature]").fill("0.9")
    page.locator("[name=max_tokens]").fill("48")
    visitor.look("comparison, form")
    visitor.press("Start comparison")
    visitor.look("comparison, empty")
    page.locator(".preset").first.click()
    answers = page.locator(".turn").last.locator("article.answer")
    expect(answers).to_have_count(2)
    expect(page.locator(".turn").last.locator(".votes").first).to_contain_text("better", timeout=360_000)
    for at in range(2):
        expect(answers.nth(at).locator("[data-stream-text]")).not_to_be_empty()
    visitor.look("comparison, answered")
    visitor.key("d")
    expect(page.get_by_role("region", name="Word diff")).to_be_visible()
    visitor.look("comparison, diff")


def vote(visitor: Visitor) -> None:
    """Vote on the first turn: in later ones each model has answers of its own before, so that no preference is learned."""
    page, turn = visitor.page, visitor.page.locator(".turn").last
    turn.get_by_role("button", name=re.compile("^Regenerate A")).click()
    expect(turn.locator("article.answer").first).to_contain_text("attempt 2", timeout=180_000)
    expect(turn.locator(".votes").first).to_contain_text("better", timeout=180_000)
    visitor.key("2")
    expect(page.get_by_text("Your vote")).to_be_visible()
    tick_if_asked(page.get_by_label("Save although an answer was cut off"))
    visitor.key("s")
    expect(page.get_by_role("link", name="Saved as a preference")).to_be_visible()


def tick_if_asked(box: Locator) -> None:
    """Confirm that an answer is saved although it was cut off, which may or may not have happened."""
    if box.count():
        box.check()


def ask_again_and_stop(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_label("Your message to all models").fill("Write a long story about a harbour.")
    page.keyboard.press("Enter")
    turn = page.locator(".turn").nth(1)
    for at in range(2):
        expect(turn.locator("[data-stream-text]").nth(at)).not_to_be_empty(timeout=180_000)
    turn.get_by_role("button", name="Stop all").click()
    expect(turn.locator(".votes").first).to_contain_text("better", timeout=180_000)


def keep_an_answer(visitor: Visitor) -> None:
    page, dialog = visitor.page, visitor.page.locator("#dialog")
    page.locator(".turn").first.get_by_role("link", name="Save", exact=True).first.click()
    expect(dialog.get_by_role("button", name="Save")).to_be_visible()
    tick_if_asked(dialog.get_by_label("Save it although it was cut off"))
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Saved", exact=True).first).to_be_visible()
    visitor.look("comparison, voted")
    page.get_by_role("link", name="Saved as a preference").click()
    expect(page.get_by_role("heading", name="Chosen answer")).to_be_visible()
    visitor.look("preference")


def evaluate(visitor: Visitor) -> None:
    page = visitor.page
    visitor.rail("Evaluate")
    visitor.look("evaluate, none")
    visitor.follow("New evaluation")
    page.get_by_text("Sampling and limits").click()
    page.locator("[name=limit]").fill("3")
    page.locator("[name=max_tokens]").fill("64")
    visitor.look("evaluation, form")
    visitor.press("Evaluate", exact=True)
    visitor.wait_job(seconds=180)
    scores = page.locator("table.scores")
    expect(scores).to_be_visible()
    expect(scores).to_contain_text("chrF")
    expect(page.locator(".evaluation-row")).to_have_count(3)
    visitor.look("evaluation")


def see_the_loop_closed(visitor: Visitor) -> None:
    visitor.rail("Home")
    visitor.look("project")
    visitor.key("?")
    expect(visitor.page.locator("dialog[open]")).to_contain_text("Go to Evaluate")
    visitor.page.keyboard.press("Escape")


JOURNEY = [
    sign_in, start_a_project, import_by_drag_and_drop, read_the_table, add_the_recorded_teacher, distil, review_by_keys,
    accept_all_with_undo, freeze, train, deploy, compare, vote, ask_again_and_stop, keep_an_answer, evaluate, see_the_loop_closed,
]  # fmt: skip
