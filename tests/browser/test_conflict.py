"""Two people edit one record at once, each in a browser: the second sees both changes, and saves them together."""

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import Visitor
from tests.system.installation import running

pytestmark = pytest.mark.browser
SEED = """
from atelier.accounts.models import Membership, Project, Team, User
from curation.records import derived
from curation.datasets import settings
from curation.models import Record
team = Team.objects.create(name="Desk")
for name in ("ann", "bob"):
    user = User.objects.create_user(username=name, password="a-long-password")
    Membership.objects.create(team=team, user=user, role="editor")
project = Project.objects.create(team=team, name="Briefs", created_by=user)
dataset = settings.create(project, user, "Chats")
turns = [{"role": "user", "content": "Shorten."}, {"role": "assistant", "content": "The council met <canary-x> last night. It rained."}]
record = Record(dataset=dataset, messages=turns)
derived.complete(record).save()
result = f"/projects/{project.pk}/data/{dataset.pk}/records/{record.pk}?edit=1"
"""
TEXT = "The council met <canary-x> last night. It rained."
STANDS = """
from curation.models import Record
record = Record.objects.get()
result = [record.messages[0]["content"], record.messages[1]["content"], [change.actor for change in record.changes.order_by("pk")]]
"""


def test_two_people_edit_one_record_at_once(tmp_path, visit):
    with running(tmp_path / "data", "redis", "web") as installation:
        place = installation.run(SEED)
        ann, bob = visit(installation.base_url), visit(installation.base_url)
        for visitor, name in ((ann, "ann"), (bob, "bob")):
            visitor.sign_in(name, "a-long-password")
            visitor.go(place)
        write(bob, {"text.messages.1": TEXT.replace("council", "town council")})
        bob.page.wait_for_url(lambda url: "edit" not in url)
        with ann.may_say("409"):
            write(ann, {"text.messages.1": TEXT + " Nobody came.", "text.messages.0": "Shorten it."})
            expect(ann.page.get_by_role("heading", level=1)).to_have_text("This record was changed in the meantime")
        expect(ann.page.get_by_text("Both changes are included.")).to_be_visible()
        expect(ann.page.get_by_label("Assistant, merged")).to_have_value(
            TEXT.replace("council", "town council") + " Nobody came."
        )
        ann.look("conflict")
        ann.page.keyboard.press("Control+Enter")
        expect(ann.page.locator(".toast").first).to_contain_text("Both edits were merged.")
        both = TEXT.replace("council", "town council") + " Nobody came."
        assert installation.run(STANDS) == ["Shorten it.", both, ["bob", "ann"]]
        assert ann.page.locator("canary-x").count() == 0
        assert ann.complaints == bob.complaints == []


def write(visitor: Visitor, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        visitor.page.locator(f'textarea[name="{name}"]').fill(text)
    visitor.page.keyboard.press("Control+Enter")
