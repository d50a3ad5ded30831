"""A browser for whole journeys."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser import chromium
from tests.browser.visitor import Visitor


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium.find()
    if path is None:
        pytest.fail("There is no Chromium; `make test` installs one.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=chromium.FLAGS)
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[str], Visitor]]:
    """Opens a browser context at an address; every one is closed afterwards."""
    visitors: list[Visitor] = []

    def open_at(base_url: str) -> Visitor:
        visitors.append(Visitor(browser, base_url))
        return visitors[-1]

    yield open_at
    for visitor in visitors:
        visitor.context.close()
