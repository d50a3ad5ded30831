"""The least role of every address of a project or team, as `roles.txt` declares it: one below is refused, it is let in.

A new address without a line there fails. `python -m pytest tests/atelier/test_roles.py` names what is missing.
"""

from pathlib import Path

import pytest
from django.test import Client

from atelier.accounts.models import APIKey
from tests.atelier.test_access import PROJECT_OPERATIONS, SCOPED, address

ORDER = ("viewer", "annotator", "editor", "owner")
NOT_THERE = "-"  # the method is not allowed


def declared() -> dict[tuple[str, str], str]:
    """{(method, route): least role} from the table: role, method and route in each line."""
    lines = (Path(__file__).parent / "roles.txt").read_text().splitlines()
    rows = [line.split(maxsplit=2) for line in lines if line and not line.startswith("#")]
    return {(method, route): role for role, method, route in rows}


TABLE = declared()
PAGES = [(method, route) for _, route in SCOPED for method in ("GET", "POST")]
CALLS = [(method.upper(), path) for method, path in PROJECT_OPERATIONS]


def test_every_address_has_its_least_role_and_no_other_is_named():
    assert set(TABLE) == {*PAGES, *CALLS}


@pytest.fixture
def people(alice, bob, ann, vic):
    return dict(zip(ORDER, (vic, ann, bob, alice), strict=True))


@pytest.mark.parametrize(("method", "route"), PAGES, ids=[f"{m} {r}" for m, r in PAGES])
def test_a_page_lets_in_its_least_role_and_nobody_below(method, route, project, people):
    path = address(route, project_id=project.pk, team_id=project.team_id)
    least = TABLE[method, route]

    def status(role: str) -> int:
        client = Client()
        client.force_login(people[role])
        return getattr(client, method.lower())(path).status_code

    if least == NOT_THERE:
        assert status("owner") == 405
        return
    assert status(least) not in {403, 405}
    if least != "viewer":
        assert status(ORDER[ORDER.index(least) - 1]) == 403


def concrete(path: str, project_id: int) -> str:
    path = path.replace("{project_id}", str(project_id))
    while "{" in path:
        path = path[: path.index("{")] + "1" + path[path.index("}") + 1 :]
    return path


@pytest.mark.parametrize(("method", "path"), CALLS, ids=[f"{m} {p}" for m, p in CALLS])
def test_a_call_lets_in_its_least_role_and_nobody_below(method, path, project, team, people):
    """Where the body is looked at before the project, both are told about the body (422)."""
    least = TABLE[method, path]

    def status(role: str) -> int:
        _, key = APIKey.issue(team, people[role], "t")
        client = Client(headers={"Authorization": f"Bearer {key}"})
        call = getattr(client, method.lower())
        return call(concrete(path, project.pk), data={}, content_type="application/json").status_code

    allowed = status(least)
    assert allowed != 403
    if least != "viewer":
        assert status(ORDER[ORDER.index(least) - 1]) in ({403, 422} if allowed == 422 else {403})
