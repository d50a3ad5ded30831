"""The newsroom: an installation on a folder of its own, filled with the sample and the work of four people, in a browser."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser import chromium
from tests.browser.guide_images.desk import ANSWERED
from tests.browser.visitor import Visitor
from tests.fakes.loopback import EVERY_PORT_TEXT
from tests.fakes.webhook_receiver import receiver
from tests.system.installation import ROOT, Installation, running

OWNER, PASSWORD = "mira", "a-long-password"
FOLDER = ROOT / "docs" / "img"
SIZE = {"width": 1280, "height": 800}
SAMPLE = ROOT / "curation" / "sample"
LETTERS = Path(__file__).with_name("letters.jsonl")
BRIEFS = "Plain Desk briefs"
PROCESSES = ("redis", "web", "worker", "webhooks")
EXTRA = {"ATELIER_JOB_LEASE": "30", "ATELIER_WEBHOOK_PRIVATE_HOSTS": EVERY_PORT_TEXT}
# What the receiver of the webhook answers: it is restarted once.
ANSWERS = [(200, {}, "thanks")] * (2 * ANSWERED - 2) + [(503, {}, "restarting")] * 2 + [(200, {}, "thanks")]


@dataclass
class Newsroom:
    """The installation that is shown, filled, and the owner's browser in it. `ids` are those of its rows by their nouns."""

    installation: Installation
    visitor: Visitor
    ids: dict[str, int]

    @property
    def page(self) -> Page:
        return self.visitor.page

    def go(self, path: str) -> None:
        """Go to a path below the project, in which {briefs} stands for the id of that dataset."""
        self.visitor.go(f"/projects/{self.ids['project']}/{path.format(**self.ids)}")

    def save(self, name: str) -> None:
        """Save what the browser shows as docs/img/NAME.png, in 256 colours."""
        self.page.mouse.move(0, 0)
        self.page.evaluate("document.fonts.ready")
        self.page.wait_for_timeout(400)  # what fades in has done so
        path = FOLDER / f"{name}.png"
        self.page.screenshot(path=path, animations="disabled", caret="hide")
        with Image.open(path) as shot:
            # By coverage: so the few coloured pixels among many greys keep their colours.
            few = shot.convert("RGB").quantize(
                256, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE
            )
        few.save(path, optimize=True)
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes", flush=True)
        self.visitor.look(name)
        self.page.set_viewport_size(SIZE)  # type: ignore[arg-type]


Drawing = Callable[[Newsroom], None]


def draw(folder: Path, pictures: dict[str, Drawing]) -> list[str]:
    """Draw these pictures, by their names, from an installation in a folder. Returns what a careful visitor complains about."""
    path = chromium.find()
    assert path, "There is no Chromium; `make setup-browser` finds or installs one."
    with (
        receiver(*ANSWERS) as other,
        running(folder, *PROCESSES, **EXTRA) as installation,
        sync_playwright() as playwright,
    ):
        ids = filled(installation, other.url.replace("127.0.0.1", "localhost").replace("hook", "newsroom"))
        browser = playwright.chromium.launch(executable_path=path, args=chromium.FLAGS)
        visitor = Visitor(browser, installation.base_url)
        visitor.page.set_viewport_size(SIZE)  # type: ignore[arg-type]
        visitor.sign_in(OWNER, PASSWORD)
        room = Newsroom(installation, visitor, ids)
        for name, drawing in pictures.items():
            drawing(room)
            room.save(name)
        browser.close()
    return visitor.complaints


def filled(installation: Installation, receiver_url: str) -> dict[str, int]:
    """Fill the installation, as people would, with one job after the other. Returns the ids by their nouns."""
    from_desk = "from tests.browser.guide_images import desk\nresult = desk."
    ids = installation.run(from_desk + "found(name, password)", name=OWNER, password=PASSWORD)
    ids["webhook"] = installation.run(from_desk + "announced(url)", url=receiver_url)
    command(installation, "import_records", str(SAMPLE / "briefs.csv"), "--dataset", "Raw briefs")
    command(installation, "import_records", str(LETTERS), "--dataset", "Reader letters")
    command(installation, "distil", "Raw briefs", "--into", BRIEFS, "--template", "{{ text }}")
    ids |= installation.run(from_desk + "reviewed()")
    installation.wait_over("curation_check", ids["map"], 300)
    for dataset in ("Reader letters", BRIEFS):
        command(installation, "check_records", dataset, "--duplicates")
    for version in ("first", "second"):
        command(installation, "freeze", BRIEFS, "--notes", f"The {version} one")
        if version == "first":
            installation.run(from_desk + "edited()")
    rows = installation.rows("SELECT id FROM curation_version ORDER BY number")
    return ids | {"first": rows[0]["id"], "second": rows[1]["id"]}


def command(installation: Installation, *words: str) -> str:
    """Run a command of `manage.py` to its end. Returns what it says. Raises RuntimeError with its words."""
    done = installation.manage(*words, timeout=3600)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}{done.stdout[-2000:]}"
        )
    return done.stdout
