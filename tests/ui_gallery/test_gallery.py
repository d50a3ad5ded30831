"""The look of things, as far as a program can judge it: every gallery page in both themes, on a desk and on a phone."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import chromium

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = ["", "projects/1/", "data/", "record/", "compare/", "train/", "evaluate/", "form/", "sign-in", "error/404"]
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def gallery() -> Iterator[str]:
    """Provide the URL of a running gallery."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.ui_gallery", str(port)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(150):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium.find()
    if path is None:
        pytest.fail("There is no Chromium; `make test` installs one.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=chromium.FLAGS)
        yield started
        started.close()


def open_page(browser: Browser, width: int, theme: str = "light") -> tuple[Page, list[str]]:
    """Return a page of that width, and the complaints that its console will have made."""
    page = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=theme, reduced_motion="reduce"
    ).new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    return page, complaints


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_overflows_or_breaks_the_content_policy(browser: Browser, gallery: str, theme: str, width: int) -> None:
    page, complaints = open_page(browser, width, theme)
    for path in PAGES:
        page.goto(gallery + path)
        page.wait_for_load_state("load")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert [text for text in complaints if "404" not in text] == []


def test_keys_move_between_steps_and_are_listed(browser: Browser, gallery: str) -> None:
    page, _ = open_page(browser, 1440)
    page.goto(gallery + "data/")
    page.keyboard.press("?")
    assert "Go to Train" in page.inner_text("dialog#keys")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("g5")
    assert page.input_value("[data-search]") == "g5"
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("5")
    page.wait_for_url("**/train/")


def test_shift_selects_a_range_and_all_that_matches_can_be_meant(browser: Browser, gallery: str) -> None:
    page, _ = open_page(browser, 1440)
    page.goto(gallery + "data/")
    rows = page.locator("[data-select-row]")
    rows.nth(1).click()
    rows.nth(4).click(modifiers=["Shift"])
    assert page.inner_text("[data-bulk-count]") == "4"
    page.locator("[data-select-all]").click()
    page.locator("[data-select-everything]").click()
    assert page.input_value("[data-everything]") == "1"
    rows.nth(0).click()
    assert page.input_value("[data-everything]") == ""


def test_a_confirmation_opens_as_a_dialog_and_alone_as_a_page(browser: Browser, gallery: str) -> None:
    page, _ = open_page(browser, 1440)
    page.goto(gallery + "data/")
    page.click("a[data-dialog]")
    page.wait_for_selector("dialog#dialog[open] form")
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(gallery + "data/")
    plain.click("a[data-dialog]")
    assert plain.locator("main form button").inner_text() == "Delete"


def test_a_streamed_answer_is_text_whatever_the_model_writes(browser: Browser, gallery: str) -> None:
    page, _ = open_page(browser, 1440)
    page.goto(gallery + "compare/")
    page.wait_for_selector("[data-stream]:not(.is-streaming)")
    answer = page.locator("#answer-1 [data-stream-text]")
    assert answer.inner_text().startswith("<b>Harbour</b>")
    assert answer.locator("b").count() == 0


def test_the_chosen_theme_outlives_the_page(browser: Browser, gallery: str) -> None:
    page, _ = open_page(browser, 1440)
    page.goto(gallery + "data/")
    page.click(".user > summary")
    page.click("[data-theme-choice=dark]")
    page.goto(gallery + "form/")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_the_rail_is_a_menu_on_a_phone(browser: Browser, gallery: str) -> None:
    page, _ = open_page(browser, 390)
    page.goto(gallery + "data/")
    assert not page.locator("#rail").is_visible()
    page.click("[popovertarget=rail]")
    page.click("#rail >> text=Versions")
    page.wait_for_url("**/versions/")


def test_a_chart_marks_whole_steps_and_its_curve_stays_within_the_data(browser: Browser, gallery: str) -> None:
    page, _ = open_page(browser, 1440)
    page.goto(gallery + "train/")
    drawn = "() => globalThis.Chart && globalThis.Chart.getChart(document.querySelector('#loss canvas'))"
    page.wait_for_function(drawn)
    draw = """(points) => {
        const chart = globalThis.Chart.getChart(document.querySelector("#loss canvas"));
        chart.data.datasets = [{ ...chart.data.datasets[0], data: points.map(([x, y]) => ({ x, y })) }];
        chart.update("none");
        const curve = chart.getDatasetMeta(0).data;
        const heights = curve.flatMap((point) => [point.cp1y ?? point.y, point.cp2y ?? point.y]);
        return {
            ticks: chart.scales.x.ticks.map((tick) => tick.value),
            above: Math.min(...curve.map((point) => point.y)) - Math.min(...heights),
            below: Math.max(...heights) - Math.max(...curve.map((point) => point.y)),
        };
    }"""
    alone = page.evaluate(draw, [[7, 2.31]])
    assert alone["ticks"] == [6, 7, 8]
    steep = page.evaluate(draw, [[1, 9.0], [2, 1.0], [3, 1.0], [4, 1.0], [5, 5.0], [6, 5.0]])
    assert all(tick == int(tick) for tick in steep["ticks"])
    # A curve of this kind never leaves what its control points enclose.
    assert max(steep["above"], steep["below"]) < 0.01
