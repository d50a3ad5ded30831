"""A bulk edit in a browser: selected by the bar, previewed as word diffs, done, and undone as one."""

import pytest

from tests.browser.visitor import Visitor
from tests.system.installation import running

pytestmark = pytest.mark.browser
PLANT = """
from atelier.accounts.models import Membership, Project, Team, User
from curation.records import derived
from curation.datasets import settings
from curation.models import Record
team = Team.objects.create(name="Desk")
user = User.objects.create_user(username="bulk", password="a-long-password")
Membership.objects.create(team=team, user=user, role="editor")
project = Project.objects.create(team=team, name="Briefs", created_by=user)
dataset = settings.create(project, user, "Chats")
for n in range(60):
    turns = [{"role": "user", "content": f"Shorten number {n}"}, {"role": "assistant", "content": f"Said number {n}."}]
    derived.complete(Record(dataset=dataset, messages=turns)).save()
result = {"list": f"/projects/{project.pk}/data/{dataset.pk}/"}
"""


def test_a_bulk_edit_is_previewed_done_and_undone(tmp_path, visit):
    with running(tmp_path / "data", "redis", "web") as installation:
        place = installation.run(PLANT)["list"]
        visitor: Visitor = visit(installation.base_url)
        visitor.sign_in("bulk", "a-long-password")
        visitor.go(place)
        visitor.page.locator("[data-select-all]").check()
        visitor.press("Select all 60")
        visitor.key("m")
        visitor.press("Find and replace …")
        visitor.page.get_by_label("Find", exact=True).fill(r"number (\d+)")
        visitor.page.get_by_label("Replace with").fill(r"figure \1")
        visitor.page.get_by_label("In", exact=True).select_option("assistant")
        visitor.page.get_by_label("Regular expression").check()
        visitor.page.keyboard.press("Control+Enter")
        visitor.page.get_by_text("60 of 60 records would change.").wait_for()
        assert visitor.text("article del") == "number"
        assert visitor.text("article ins") == "figure"
        visitor.look("bulk preview")
        visitor.press("Replace in all matching records")
        visitor.page.get_by_text("60 records changed.").first.wait_for()
        visitor.go(place + "?q=figure")
        visitor.page.get_by_text("60 records").first.wait_for()
        search = visitor.page.locator("[data-search]")
        search.press("Escape")
        assert search.input_value() == "figure", "leaving the field empties it, and the list stays filtered"
        visitor.go(place + "activity")
        visitor.look("activity")
        visitor.press("Undo")
        visitor.page.get_by_text("60 records restored.").first.wait_for()
        visitor.go(place + "?q=figure")
        visitor.page.get_by_role("heading", name="No records match the search").wait_for()
        assert visitor.complaints == []
