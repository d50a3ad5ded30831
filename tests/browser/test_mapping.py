"""A table with odd columns is mapped by mouse and keyboard, a refused row is fixed in the browser, and next time all of it is suggested."""

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


def test_odd_columns_are_mapped_a_row_is_fixed_and_the_mapping_is_suggested_again(tmp_path, visit):
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
        fix_the_refused_row(visitor)
        check_records(installation.run(RECORDS))
        import_again(visitor, tmp_path / "fragen.csv", project)
        assert visitor.page.locator("canary-x").count() == 0
        assert visitor.complaints == []


def choose_the_file(visitor: Visitor, path) -> None:
    visitor.page.locator("input[type=file]").set_input_files(path)
    expect(visitor.page.locator("[data-files]")).to_contain_text("fragen.csv")
    visitor.press("Preview")


def see_what_was_found(visitor: Visitor) -> None:
    expect(visitor.page.get_by_label("Delimiter")).to_have_value(";")
    expect(visitor.page.get_by_label("Encoding")).to_have_value("cp1252")
    expect(visitor.page.locator(".mapping label")).to_have_text(COLUMNS)
    expect(visitor.page.locator(".import-row")).to_have_count(20)
    visitor.page.get_by_label("Encoding").select_option("mac_roman")
    expect(visitor.page.locator(".import-row").first).not_to_contain_text("Mühldorf")
    visitor.page.get_by_label("Encoding").select_option("cp1252")
    expect(visitor.page.locator(".import-row").first).to_contain_text("Mühldorf")


def say_what_the_columns_are(visitor: Visitor) -> None:
    """Map the columns: kind, turns and metadata with the mouse; id, group and what is left out with the keyboard."""
    page = visitor.page
    page.get_by_label("Import rows as").select_option(label="conversations")
    expect(page.get_by_label("Frage, gestellt", exact=True).locator("option:checked")).to_have_text(
        "User message"
    )  # suggested
    page.get_by_label("Frage, gestellt", exact=True).select_option(label="User message")
    page.get_by_label("Antwort", exact=True).select_option(label="Assistant message")
    page.get_by_label("Ort", exact=True).select_option(label="Metadata")
    for column, label in (("Nr.", "ID"), ("Quelle", "Group (stays in one split)"), ("column 5", "Ignore")):
        page.get_by_label(column, exact=True).focus()
        page.keyboard.type(label[:6])  # a list goes to what begins so
        expect(page.get_by_label(column, exact=True).locator("option:checked")).to_have_text(label)
    page.get_by_role("button", name="Preview again").focus()
    page.keyboard.press("Enter")


def see_them_as_they_will_look(visitor: Visitor) -> None:
    rows = visitor.page.locator(".import-row")
    first = rows.nth(1)  # behind the one that would be rejected
    expect(first.locator(".message")).to_have_count(2)
    expect(first.locator(".message").first).to_contain_text("Wann öffnet Halle 1?")
    expect(first.locator(".message").last).to_contain_text("Um 1 Uhr.")
    expect(first.locator(".tags")).to_contain_text("Mühldorf <canary-x>")
    expect(first.locator(".tags")).not_to_contain_text("leer")
    expect(first.locator("header")).to_contain_text(re.compile(r"id\s*1\s*group\s*Rathaus 1"))
    expect(rows).to_have_count(20)
    expect(rows.filter(has_text="Rejected")).to_have_count(1)
    expect(rows.first.locator(".wrong")).to_contain_text("8 cells but the header has 7")
    visitor.look("mapping")


def start_and_read_the_sums(visitor: Visitor) -> None:
    visitor.page.get_by_label("Antwort", exact=True).focus()
    visitor.page.keyboard.press("Control+Enter")  # also from within a field
    visitor.wait_job()
    expect(visitor.page.locator(".stats")).to_contain_text(re.compile(r"Rows read\s*26\s*Imported\s*25\s*Failed\s*1"))
    visitor.look("import with a refused row")


def fix_the_refused_row(visitor: Visitor) -> None:
    page = visitor.page
    visitor.follow("Fix", exact=True)
    expect(page.get_by_role("heading", level=1)).to_have_text("Fix line 5")
    page.get_by_label("Antwort", exact=True).fill("Um 4 Uhr; sonntags nie.")
    for column, cell in (("Ort", "Mühldorf"), ("column 5", ""), ("Ort 2", "Nord"), ("Quelle", "Rathaus 0")):
        page.get_by_label(column, exact=True).fill(cell)
    visitor.look("fix a row")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".toast").first).to_contain_text("Line 5 was imported.")
    expect(page.locator(".stats")).to_contain_text(re.compile(r"Imported\s*26\s*Failed\s*0"))
    expect(page.get_by_role("link", name="Fixed")).to_be_visible()


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
    """Import into the same dataset again: no choice is left to make."""
    visitor.follow("Import another file")
    expect(visitor.page.locator("#id_dataset option:checked")).to_have_text(re.compile("fragen"))
    choose_the_file(visitor, path)
    wanted = [
        "ID", "User message", "Assistant message", "Metadata", "Ignore", "Metadata",
        "Group (stays in one split)",
    ]  # fmt: skip
    expect(visitor.page.locator(".mapping option:checked")).to_have_text(wanted)
    visitor.page.get_by_text("Why this mapping?").click()
    expect(visitor.page.get_by_text("Same as in the last import into fragen.")).to_be_visible()
    visitor.page.locator("#start").click()
    visitor.wait_job()
    expect(visitor.page.locator(".stats")).to_contain_text(re.compile(r"Imported\s*0\s"))
