"""The pictures of the guide: each that is shown is there, each that is there is shown, and each can be made anew."""

import re
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.guide_images.newsroom import FOLDER, SIZE
from tests.browser.guide_images.pictures import PICTURES, SLOW

ROOT = Path(__file__).resolve().parents[2]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<path>[^)\s]+\.png)\)")
MOST_BYTES = 1_500_000  # of all of them together


def shown() -> list[tuple[Path, str]]:
    """Return the file of each picture that a guide shows, with the words that stand for it."""
    return [
        ((guide.parent / found["path"]).resolve(), found["alt"])
        for guide in GUIDES
        for found in SHOWN.finditer(guide.read_text(encoding="utf-8"))
    ]


def test_each_picture_that_a_guide_shows_is_there_with_words_for_it() -> None:
    assert [path for path, alt in shown() if not path.is_file() or not alt.strip()] == []


def test_each_picture_is_shown_and_has_a_function_that_makes_it() -> None:
    there = {path.stem for path in FOLDER.iterdir()}
    assert there == {path.stem for path, _ in shown() if path.parent == FOLDER} == set(PICTURES)
    assert set(PICTURES) >= SLOW


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.png")), ids=lambda path: path.stem)
def test_a_picture_has_the_size_of_all_and_256_colours(path: Path) -> None:
    with Image.open(path) as picture:
        assert (picture.size, picture.mode) == ((SIZE["width"], SIZE["height"]), "P")


def test_the_pictures_together_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST_BYTES
