"""One function a picture: each brings the browser to where the picture is taken."""

import re

from tests.browser.guide_images import newsroom
from tests.browser.guide_images.newsroom import Drawing, Newsroom
from tests.system.installation import ROOT

LABEL_STUDIO = ROOT / "tests" / "fixtures" / "label_studio"


def mapping(room: Newsroom) -> None:
    room.go("data/imports/new")
    room.page.locator("input[type=file]").set_input_files(newsroom.SAMPLE / "briefs.csv")
    room.visitor.press("Preview")
    room.page.locator("#start").wait_for()


def importing_annotations(room: Newsroom) -> None:
    """Preview an export together with the project's configuration, which has all labels, and say who is who."""
    room.go("data/imports/new")
    room.page.locator("input[type=file]").set_input_files(LABEL_STUDIO / "reviews_json.json")
    room.visitor.press("Preview")
    room.page.get_by_text("Labelling configuration").first.click()
    room.page.locator("textarea[name=config]").fill((LABEL_STUDIO / "reviews.xml").read_text())
    for number, name in enumerate(("ann", "zoë", "ann"), start=1):
        room.page.locator(f"#who-{number}").select_option(name)
    room.visitor.press("Preview again")
    room.page.get_by_text("Positive, Negative, Neutral").wait_for()
    room.page.evaluate("scrollTo(0, 0)")


def search(room: Newsroom) -> None:
    room.go("data/{briefs}/?q=status:accepted says words:>100")


def bulk_preview(room: Newsroom) -> None:
    """Preview a decision of the house: a space before am and pm."""
    room.go("data/{briefs}/bulk/replace?status=accepted")
    room.page.get_by_label("Find", exact=True).fill(r"(\d)(am|pm)\b")
    room.page.get_by_label("Replace with").fill(r"\1 \2")
    room.page.get_by_label("In", exact=True).select_option("assistant")
    room.page.get_by_label("Regular expression").check()
    room.page.keyboard.press("Control+Enter")
    room.page.get_by_text("would change").first.wait_for()
    room.page.locator("article").first.wait_for()
    room.page.get_by_label("Find", exact=True).evaluate(
        "field => scrollTo(0, field.getBoundingClientRect().top + scrollY - 60)"
    )


def bulk_undo(room: Newsroom) -> None:
    bulk_preview(room)
    room.visitor.press("Replace in all matching records")
    room.page.get_by_text(re.compile(r"\d records changed")).first.wait_for()


def problems(room: Newsroom) -> None:
    room.go("data/{letters}/problems")


def duplicates(room: Newsroom) -> None:
    room.go("data/{letters}/duplicates")
    room.page.locator("main table a").first.click()
    room.page.locator("ins").first.wait_for()


def charts(room: Newsroom) -> None:
    room.go("data/{briefs}/charts")
    room.page.get_by_label("Colour by").select_option("split")
    room.page.locator("canvas").first.wait_for()
    room.page.evaluate("scrollTo(0, 118)")  # so that the legend shows


def review(room: Newsroom) -> None:
    room.go("data/{briefs}/?status=new")
    room.visitor.follow("Review", exact=True)
    room.visitor.key("d")
    room.page.locator("ins").first.wait_for()


def annotation(room: Newsroom) -> None:
    room.go("annotate/{briefs}/")
    room.page.locator("[data-question].is-current").wait_for()


def disagreement(room: Newsroom) -> None:
    room.go("annotate/{briefs}/disagreements")
    room.visitor.key("Enter")
    room.page.get_by_role("heading", name="Disagreement", exact=True).wait_for()


def agreement(room: Newsroom) -> None:
    room.go("annotate/{briefs}/agreement")


def reviewing(room: Newsroom) -> None:
    room.go("annotate/{briefs}/reviewing")


def exports(room: Newsroom) -> None:
    room.go("data/{briefs}/export?status=accepted")


def version_diff(room: Newsroom) -> None:
    room.go("versions/{second}/since/{first}?kind=changed")


def webhook(room: Newsroom) -> None:
    room.go("settings/webhooks/{webhook}")


def comparisons(room: Newsroom) -> None:
    """Train on the first version, serve base and adapter, and vote on their answers to a brief of the test split."""
    room.installation.start("trainer", "server")
    said = newsroom.command(
        room.installation, "train", f"{newsroom.BRIEFS} v1", "--name", "Plain Desk", "--set", "max_minutes=7.5"
    )
    found = re.search(r"deploy (\d+)", said)
    assert found, said
    newsroom.command(room.installation, "deploy", found[1], "--wait", "--timeout", "1800")
    room.go("models/")
    room.page.locator("#compare-ready").click()
    room.page.locator("[name=max_tokens]").fill("160")
    room.visitor.press("Start comparison")
    room.page.locator(".preset").first.click()
    room.page.locator(".turn .votes").first.get_by_text("better").first.wait_for(timeout=600_000)
    room.visitor.key("2")
    room.page.get_by_text("Your vote").wait_for()


# In the order of making: what changes records comes after what shows them.
PICTURES: dict[str, Drawing] = {
    "mapping": mapping, "importing-annotations": importing_annotations, "search": search, "problems": problems,
    "duplicates": duplicates, "charts": charts, "review": review, "annotation": annotation,
    "disagreement": disagreement, "agreement": agreement, "reviewing": reviewing, "exports": exports,
    "version-diff": version_diff, "webhook": webhook, "bulk-preview": bulk_preview, "bulk-undo": bulk_undo,
    "comparisons": comparisons,
}  # fmt: skip
SLOW = {"comparisons"}
