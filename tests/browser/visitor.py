"""A person's browser: it goes where it is told, and notes everything that a careful person would complain about."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, Response, expect

from tests.speed import patient

SHOTS = Path(__file__).resolve().parent / "shots"
expect.set_options(timeout=60_000)  # a machine with other work takes its time
DESK = {"width": 1440, "height": 900}
ABORTED = re.compile(r"htmx:(sendAbort|afterRequest), ")
PHONE = {"width": 390, "height": 844}
TOO_WIDE = """() => {
  const room = document.documentElement.clientWidth;
  if (document.scrollingElement.scrollWidth <= room) return "";
  const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > room + 1);
  return `${document.scrollingElement.scrollWidth} px in ${room}: ` + wide.slice(0, 4).map((e) => e.outerHTML.slice(0, 120)).join(" | ");
}"""


class Visitor:
    """One person in one browser context. `complaints` must be empty at the end."""

    def __init__(self, browser: Browser, base_url: str) -> None:
        self.context = browser.new_context(base_url=base_url, viewport=DESK, color_scheme="light", locale="en-GB")
        self.host = urlsplit(base_url).netloc
        self.complaints: list[str] = []
        self.seen: list[str] = []
        self.expected: list[re.Pattern[str]] = []
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self._listen(self.page)

    def _listen(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complain(f"script error: {error}"))
        page.on("request", self._request)
        page.on("response", self._response)
        page.on("dialog", self._dialog)

    def complain(self, sentence: str) -> None:
        if not any(pattern.search(sentence) for pattern in self.expected):
            self.complaints.append(f"{urlsplit(self.page.url).path}: {sentence}")

    def _console(self, message: ConsoleMessage) -> None:
        # A request that was under way when the page was left.
        if message.type in ("error", "warning") and not ABORTED.match(message.text):
            self.complain(f"console {message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self.host:
            self.complain(f"a request to {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 500:
            self.complain(f"{response.status} from {response.url}")

    def _dialog(self, dialog: object) -> None:
        self.complain("a dialog of the browser opened")
        dialog.dismiss()  # type: ignore[attr-defined]

    @contextmanager
    def may_say(self, pattern: str) -> Iterator[None]:
        """Expect a complaint that matches the pattern within the context."""
        self.expected.append(re.compile(pattern))
        try:
            yield
        finally:
            self.expected.pop()

    # --- going and looking ---

    def go(self, path: str) -> None:
        answer = self.page.goto(path)
        assert answer is not None
        assert answer.status < 400, f"{path} answered {answer.status}"

    def look(self, name: str) -> None:
        """Look at the page as on a phone, where nothing may stick out; and save its screenshots with ATELIER_SHOTS=1."""
        self.seen.append(name)
        self.page.set_viewport_size(PHONE)
        try:
            too_wide = self._too_wide()
            if too_wide:
                self.complain(f"{name} is too wide for a phone: {too_wide}")
            if os.environ.get("ATELIER_SHOTS"):
                self._shoot(name, "390")
        finally:
            self.page.set_viewport_size(DESK)
        if os.environ.get("ATELIER_SHOTS"):
            self._shoot(name, "1440")

    def _too_wide(self) -> str:
        """Return what sticks out; asked again when the page was just being replaced by the next."""
        for _ in range(5):
            try:
                self.page.wait_for_load_state()
                return str(self.page.evaluate(TOO_WIDE))
            except Error:
                self.page.wait_for_timeout(300)
        raise AssertionError(f"{self.page.url} never came to rest")

    def _shoot(self, name: str, width: str) -> None:
        SHOTS.mkdir(exist_ok=True)
        self.page.evaluate("scrollTo(0, 0)")
        for theme in ("light", "dark"):
            self.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            self.page.screenshot(
                path=SHOTS / f"{len(self.seen):02} {name} {width} {theme}.png", full_page=True, animations="disabled"
            )
        self.page.emulate_media(color_scheme="light")

    # --- what hands do ---

    def press(self, label: str | re.Pattern[str], *, exact: bool = False) -> None:
        self.page.get_by_role("button", name=label, exact=exact).first.click()

    def follow(self, label: str | re.Pattern[str], *, exact: bool = False) -> None:
        self.page.get_by_role("link", name=label, exact=exact).first.click()

    def rail(self, step: str) -> None:
        """Go to a step of the loop by the rail, whatever its count."""
        self.page.locator(".rail-list").get_by_role("link", name=re.compile(f"^{step}")).click()

    def key(self, key: str) -> None:
        """Press a key anywhere on the page, not in a field."""
        self.page.evaluate("document.activeElement?.blur()")
        self.page.keyboard.press(key)

    def sign_in(self, name: str, password: str) -> None:
        self.go("/sign-in")
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.press("Sign in")
        self.page.wait_for_url(lambda url: "sign-in" not in url)

    def drop(self, path: Path, kind: str = "text/csv") -> None:
        """Drag a file from the desk onto the page's drop zone."""
        carried = self.page.evaluate_handle(
            """([text, name, kind]) => {
                const carried = new DataTransfer();
                carried.items.add(new File([text], name, { type: kind }));
                return carried;
            }""",
            [path.read_text(), path.name, kind],
        )
        zone = self.page.locator("[data-dropzone]")
        zone.dispatch_event("dragover", {"dataTransfer": carried})
        zone.dispatch_event("drop", {"dataTransfer": carried})

    def wait_job(self, status: str = "done", seconds: float = 60) -> None:
        """Wait until the job of this page has this status, by what the page shows."""
        job = self.page.locator(f'.job[data-status="{status}"]')
        over = self.page.locator('.job[data-status="failed"], .job[data-status="cancelled"]')
        job.or_(over).first.wait_for(timeout=patient(seconds) * 1000)
        assert job.count(), over.first.inner_text()

    def text(self, selector: str) -> str:
        return self.page.locator(selector).first.inner_text()
