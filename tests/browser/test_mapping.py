"""A table with odd columns is mapped by mouse and keyboard, a refused row is mended in the browser, and next time all of it is suggested."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import Visitor
from tests.system.installation import running

pytestmark = pytest.mark.browser
SEED = """
from atelier.accounts.models import Project, Team
team = Team.objects.get()
result = Project.objects.create(team=team, name="Desk", created_by=team.users.get()).pk
"""
HEAD = 'Nr.;"Frage, gestellt";Antwort;Ort;;Ort;Quelle'
# Row 4 of the file has a cell too many: its answer holds the delimiter, unquoted.
ROWS = [
    *(f'{n};"Wann öffnet Halle {n}?";Um {n} Uhr.;Mühldorf <canary-x>;leer;Nord;Rathaus {n % 2}' for n in range(1, 4)),
    "4;Wann öffnet Halle 4?;Um 4 Uhr; sonntags nie.;Mühldorf;leer;Nord;Rathaus 0",
    *(f'{n};"Wann öffnet Halle {n}?";Um {n} Uhr.;Mühldorf;leer;Nord;Rathaus {n % 2}' for n in range(5, 27)),
]
COLUMNS = ["Nr.", "Frage, gestellt", "Antwort", "Ort", "column 5", "Ort 2", "Quelle"]
RECORDS = """
from curation.models import Record
result = list(Record.objects.order_by("import_line").values("key", "messages", "metadata", "source_group", "import_line"))
"""


def test_odd_columns_are_mapped_a_row_is_mended_and_the_mapping_is_suggested_again(tmp_path, visit):
    (tmp_path / "fragen.csv").write_bytes("\r\n".join([HEAD, *ROWS]).encode("latin-1"))
    with running(tmp_path / "data", "redis", "web", "worker") as installation:
        project = installation.run(SEED)
        visitor: Visitor = visit(installation.base_url)
        visitor.sign_in(*installation.login())
        visitor.go(f"/projects/{project}/data/imports/new")
        choose_the_file(visitor, tmp_path / "fragen.csv")
        see_what_was_found(visitor)
        say_what_the_columns_are(visitor)
        see_them_as_they_will_look(visitor)
        start_and_read_the_sums(visitor)
        mend_the_refused_row(visitor)
        check_records(installation.run(RECORDS))
        import_again(visitor, tmp_path / "fragen.csv", project)
        assert visitor.page.locator("canary-x").count() == 0
        assert visitor.complaints == []


def choose_the_file(visitor: Visitor, path) -> None:
    visitor.page.locator("input[type=file]").set_input_files(path)
    expect(visitor.page.locator("[data-files]")).to_contain_text("fragen.csv")
    visitor.press("To the preview")


def see_what_was_found(visitor: Visitor) -> None:
    expect(visitor.page.get_by_label("Cut at")).to_have_value(";")
    expect(visitor.page.get_by_label("Encoding")).to_have_value("cp1252")
    expect(visitor.page.locator(".mapping label")).to_have_text(COLUMNS)
    expect(visitor.page.locator(".import-row")).to_have_count(20)
    visitor.page.get_by_label("Encoding").select_option("mac_roman")
    expect(visitor.page.locator(".import-row").first).not_to_contain_text("Mühldorf")
    visitor.page.get_by_label("Encoding").select_option("cp1252")
    expect(visitor.page.locator(".import-row").first).to_contain_text("Mühldorf")


def say_what_the_columns_are(visitor: Visitor) -> None:
    """The kind, the turns and the metadata with the mouse; the id, the group and what is left out with the keyboard."""
    page = visitor.page
    page.get_by_label("Each row becomes").select_option(label="a conversation")
    expect(page.get_by_label("Frage, gestellt").locator("option:checked")).to_have_text(
        "What the user says"
    )  # suggested
    page.get_by_label("Frage, gestellt").select_option(label="What the user says")
    page.get_by_label("Antwort").select_option(label="What the assistant answers")
    page.get_by_label("Ort", exact=True).select_option(label="Metadata")
    for column, label in (("Nr.", "The row's id"), ("Quelle", "Group: stays in one split"), ("column 5", "Leave out")):
        page.get_by_label(column, exact=True).focus()
        page.keyboard.type(label[:6])  # a list goes to what begins so
        expect(page.get_by_label(column, exact=True).locator("option:checked")).to_have_text(label)
    page.get_by_role("button", name="Preview again").focus()
    page.keyboard.press("Enter")


def see_them_as_they_will_look(visitor: Visitor) -> None:
    rows = visitor.page.locator(".import-row")
    first = rows.first
    expect(first.locator(".message")).to_have_count(2)
    expect(first.locator(".message").first).to_contain_text("Wann öffnet Halle 1?")
    expect(first.locator(".message").last).to_contain_text("Um 1 Uhr.")
    expect(first.locator(".tags")).to_contain_text("Mühldorf <canary-x>")
    expect(first.locator(".tags")).not_to_contain_text("leer")
    expect(first.locator("header")).to_contain_text(re.compile(r"id\s*1\s*group\s*Rathaus 1"))
    expect(rows).to_have_count(20)
    expect(rows.filter(has_text="Will not be taken")).to_have_count(1)
    expect(rows.nth(3).locator(".wrong")).to_contain_text("8 cells where the header has 7")
    visitor.look("mapping")


def start_and_read_the_sums(visitor: Visitor) -> None:
    visitor.page.get_by_label("Antwort").focus()
    visitor.page.keyboard.press("Control+Enter")  # also from within a field
    visitor.wait_job()
    expect(visitor.page.locator(".stats")).to_contain_text(
        re.compile(r"Rows read\s*26\s*Became records\s*25\s*Failed\s*1")
    )
    visitor.look("import with a refused row")


def mend_the_refused_row(visitor: Visitor) -> None:
    page = visitor.page
    visitor.follow("Mend", exact=True)
    expect(page.get_by_role("heading", level=1)).to_have_text("Mend line 5")
    page.get_by_label("Antwort", exact=True).fill("Um 4 Uhr; sonntags nie.")
    for column, cell in (("Ort", "Mühldorf"), ("column 5", ""), ("Ort 2", "Nord"), ("Quelle", "Rathaus 0")):
        page.get_by_label(column, exact=True).fill(cell)
    visitor.look("mend a row")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".toast").first).to_contain_text("Line 5 is imported.")
    expect(page.locator(".stats")).to_contain_text(re.compile(r"Became records\s*26\s*Failed\s*0"))
    expect(page.get_by_role("link", name="Mended")).to_be_visible()


def check_records(records: list[dict]) -> None:
    assert [record["key"] for record in records] == [str(n) for n in range(1, 27)]
    assert records[3]["import_line"] == 5
    assert records[3]["messages"] == [
        {"role": "user", "content": "Wann öffnet Halle 4?"},
        {"role": "assistant", "content": "Um 4 Uhr; sonntags nie."},
    ]
    assert records[3]["metadata"] == {"Ort": "Mühldorf", "Ort 2": "Nord"}
    assert len({record["source_group"] for record in records}) == 2


def import_again(visitor: Visitor, path, project: int) -> None:
    """Into the same dataset: nothing is left to say."""
    visitor.follow("Import another file")
    expect(visitor.page.locator("#id_dataset option:checked")).to_have_text(re.compile("fragen"))
    choose_the_file(visitor, path)
    wanted = [
        "The row's id", "What the user says", "What the assistant answers", "Metadata", "Leave out", "Metadata",
        "Group: stays in one split",
    ]  # fmt: skip
    expect(visitor.page.locator(".mapping option:checked")).to_have_text(wanted)
    visitor.page.get_by_text("Why it is suggested so").click()
    expect(visitor.page.get_by_text("As in the last import into fragen.")).to_be_visible()
    visitor.page.locator("#start").click()
    visitor.wait_job()
    expect(visitor.page.locator(".stats")).to_contain_text(re.compile(r"Became records\s*0\s"))
