"""The least role of every address of a project or team, as `roles.txt` declares it: all below are refused, it and all above
are let in. Strangers: test_access.py."""

from pathlib import Path

import pytest
from django.db import transaction
from django.test import Client

from atelier.accounts.models import APIKey
from tests.atelier.test_access import PROJECT_OPERATIONS, SCOPED, TEAM_OPERATIONS, address, concrete

ORDER = ("viewer", "annotator", "editor", "owner")
NOT_THERE = "-"  # the method is not allowed


def declared() -> dict[tuple[str, str], str]:
    """Return {(method, route): least role} from the table: role, method and route in each line."""
    lines = (Path(__file__).parent / "roles.txt").read_text().splitlines()
    rows = [line.split(maxsplit=2) for line in lines if line and not line.startswith("#")]
    return {(method, route): role for role, method, route in rows}


TABLE = declared()
PAGES = [(method, route) for _, route in SCOPED for method in ("GET", "POST")]
CALLS = [(method.upper(), path) for method, path in [*PROJECT_OPERATIONS, *TEAM_OPERATIONS]]


def test_every_address_has_its_least_role_and_no_other_is_named():
    assert set(TABLE) == {*PAGES, *CALLS}


@pytest.fixture
def people(alice, bob, ann, vic):
    return dict(zip(ORDER, (vic, ann, bob, alice), strict=True))


@pytest.mark.parametrize("least", [*ORDER, NOT_THERE])
def test_a_page_lets_in_its_least_role_and_all_above_and_nobody_below(least, project, people):
    clients = {role: Client() for role in ORDER}
    for role, client in clients.items():
        client.force_login(people[role])
    for method, route in PAGES:
        if TABLE[method, route] != least:
            continue
        path = address(route, project_id=project.pk, team_id=project.team_id)

        def status(role: str, path: str = path, method: str = method) -> int:
            return getattr(clients[role], method.lower())(path).status_code

        if least == NOT_THERE:
            assert status("owner") == 405, (method, route)
            continue
        for role in ORDER:
            if ORDER.index(role) < ORDER.index(least):
                assert status(role) == 403, (method, route, role)
            else:
                assert status(role) not in {403, 405}, (method, route, role)


@pytest.mark.parametrize("least", ORDER)
def test_a_call_lets_in_its_least_role_and_all_above_and_nobody_below(least, project, team, people):
    """Where the body is looked at before the project, both are told about the body (422)."""
    keys = {role: APIKey.issue(team, person, "t")[1] for role, person in people.items()}
    clients = {role: Client(headers={"Authorization": f"Bearer {key}"}) for role, key in keys.items()}
    for method, path in CALLS:
        if TABLE[method, path] != least:
            continue

        def status(role: str, path: str = path, method: str = method) -> int:
            call = getattr(clients[role], method.lower())
            with transaction.atomic():  # what one may do, such as deleting the project, is not done to the next
                answer = call(concrete(path, project), data={}, content_type="application/json")
                transaction.set_rollback(True)
            return answer.status_code

        allowed = status(least)
        assert allowed != 403, (method, path)
        for role in ORDER:
            if ORDER.index(role) < ORDER.index(least):
                assert status(role) in ({403, 422} if allowed == 422 else {403}), (method, path, role)
            else:
                assert status(role) != 403, (method, path, role)
