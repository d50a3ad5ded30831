"""Every address, tried by nobody and by a stranger. New addresses are found by walking the URL conf."""

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from atelier.accounts import invitations
from atelier.accounts.models import APIKey, Project
from atelier.audit import trail
from atelier.audit.models import AuditAction

# Reached without signing in, on purpose.
PUBLIC = {"health", "sign_in", "register"}
SAMPLE = {"int": "1", "str": "x", "slug": "x", "path": "x", "uuid": "00000000-0000-0000-0000-000000000000"}


def walk(patterns=None, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (name, route with <converter:name> parts) of every page; the API is walked by its own test."""
    for entry in patterns if patterns is not None else get_resolver().url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            if not route.startswith("api/"):
                yield from walk(entry.url_patterns, route)
        elif isinstance(entry, URLPattern):
            yield entry.name, route


def address(route: str, **known: int) -> str:
    """Return a concrete path: known ids where the names fit; elsewhere a sample, or the first choice of a pattern."""

    def by_converter(found: re.Match[str]) -> str:
        return str(known.get(found["name"], SAMPLE[found["converter"] or "str"]))

    def by_pattern(found: re.Match[str]) -> str:
        choice = found["choices"].split("|")[0]
        return str(known.get(found["name"], "1" if choice == r"\d+" else choice))

    path = re.sub(r"\(\?P<(?P<name>\w+)>(?P<choices>[^)]*)\)", by_pattern, route)
    path = re.sub(r"<(?:(?P<converter>\w+):)?(?P<name>\w+)>", by_converter, path)
    return "/" + path.replace("^", "").replace("$", "").replace("\\.", ".")


ROUTES = sorted(set(walk()), key=lambda entry: entry[1])
SCOPED = [(name, route) for name, route in ROUTES if "project_id" in route or "team_id" in route]


@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_gets_in_without_signing_in(method, project):
    client = Client()
    for name, route in ROUTES:
        if name not in PUBLIC:
            answer = getattr(client, method)(address(route, project_id=project.pk, team_id=project.team_id))
            assert answer.status_code == 302, f"{method} {route} answered {answer.status_code}"
            assert answer["Location"].startswith("/sign-in")


@pytest.mark.parametrize("method", ["get", "post"])
def test_charlie_finds_nothing_of_alices_team(method, project, as_charlie):
    for _, route in SCOPED:
        answer = getattr(as_charlie, method)(address(route, project_id=project.pk, team_id=project.team_id))
        assert answer.status_code in {404, 405}, f"{method} {route} answered {answer.status_code}"


def test_every_address_of_a_project_is_under_its_project():
    loose = [route for _, route in ROUTES if "<" in route and "project_id" not in route and "team_id" not in route]
    assert loose == []


def api_operations() -> list[tuple[str, str]]:
    from atelier.api import api

    schema = api.get_openapi_schema()
    return [(method, path) for path, methods in schema["paths"].items() for method in methods]


OPERATIONS = api_operations()


def concrete(path: str, project: Project) -> str:
    """Return a call's path with the project's id, and 1 for every other."""
    return re.sub(r"\{\w+\}", "1", path.replace("{project_id}", str(project.pk)))


def test_the_api_wants_a_key(project):
    client = Client()
    for method, path in OPERATIONS:
        answer = getattr(client, method)(concrete(path, project), content_type="application/json")
        assert answer.status_code == 401, f"{method} {path}"


TEAM_OPERATIONS = [(m, p) for m, p in OPERATIONS if p.startswith("/api/team/")]  # of the key's own team
PROJECT_OPERATIONS = [(m, p) for m, p in OPERATIONS if "{project_id}" in p]


def test_charlies_key_opens_nothing_of_alices(project, charlie):
    _, key = APIKey.issue(charlie.teams.get(), charlie, "test")
    client = Client(headers={"Authorization": f"Bearer {key}"})
    for method, path in PROJECT_OPERATIONS:
        answer = getattr(client, method)(concrete(path, project), data={}, content_type="application/json")
        assert answer.status_code in {404, 422}, (
            f"{method} {path} answered {answer.status_code}: {answer.content[:200]}"
        )
        assert project.name not in answer.content.decode()


def test_charlies_key_finds_nothing_of_alices_among_his_own_teams_rows(project, alice, charlie):
    """Calls of a team name none: they are about the key's. What they list is his; ids of others are not there."""
    team = project.team
    hers, _ = APIKey.issue(team, alice, "hers")
    member = alice.memberships.get()
    invitation = invitations.invite(team, alice, "dora", "viewer")
    trail.note(None, AuditAction.TEAM_CREATED, team, team=team)
    _, key = APIKey.issue(charlie.teams.get(), charlie, "test")
    client = Client(headers={"Authorization": f"Bearer {key}"})
    for method, path in TEAM_OPERATIONS:
        pk = {"members": member.pk, "keys": hers.pk, "invitations": invitation.pk}.get(path.split("/")[3], 1)
        address = path.replace("{pk}", str(pk)).replace("{move}", "withdraw")
        answer = getattr(client, method)(address, data={}, content_type="application/json")
        assert answer.status_code in ({404, 422} if "{pk}" in path else {200, 422}), (method, path)
        body = b"".join(answer) if answer.streaming else answer.content
        assert not [name for name in ("Plain Desk", "alice", "hers", "dora") if name in body.decode()]


def test_a_key_reaches_only_its_own_team_even_if_its_owner_is_in_two(project, alice, charlie):
    other = charlie.teams.get()
    other.memberships.create(user=alice, role="owner")
    theirs = Project.objects.create(team=other, name="Theirs")
    _, key = APIKey.issue(project.team, alice, "test")
    client = Client(headers={"Authorization": f"Bearer {key}"})
    assert client.get(f"/api/projects/{project.pk}").status_code == 200
    assert client.get(f"/api/projects/{theirs.pk}").status_code == 404
