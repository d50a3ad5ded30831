"""Statements that are kept compiled: they give what the query set gives, for other values too, and hold nobody's connection."""

import gc
import threading
import weakref
from datetime import UTC, datetime

import pytest
from django.db import connection, connections, models
from django.db.models import Exists, F, OuterRef, QuerySet

from atelier.accounts.models import Membership, Project, Role, Team, User
from atelier.database.prepared import prepared, prepared_update
from atelier.webhooks.models import Delivery, Webhook

pytestmark = pytest.mark.django_db


@pytest.fixture
def teams():
    """Two teams with a project each; the first user is in both, the second in the last."""
    ann, bob = (User.objects.create(username=name) for name in ("ann", "bob"))
    made = [Team.objects.create(name=f"Team {number}") for number in range(2)]
    for team in made:
        Project.objects.create(team=team, name=f"of {team}", created_by=ann)
        Membership.objects.create(team=team, user=ann, role=Role.EDITOR)
    Membership.objects.create(team=made[1], user=bob, role=Role.VIEWER)
    return made


def seen(user: int, name: str) -> QuerySet[Project]:
    rows = Project.objects.select_related("team", "created_by").filter(team__memberships__user=user)
    others = Membership.objects.filter(team=OuterRef("team")).exclude(user=user)
    return rows.filter(name__startswith="of").exclude(name=name).annotate(shared=Exists(others)).order_by("pk")


def plainly(projects):
    return [(one.pk, one.team.name, one.created_by.username, one.shared, one.created_at) for one in projects]


def test_a_kept_query_gives_what_the_query_set_gives_with_one_statement(teams, django_assert_num_queries):
    ask = prepared(seen)
    for user in User.objects.all():
        for name in ("", "of Team 1", "%s", "'; --"):
            expected = plainly(seen(user.pk, name))
            with django_assert_num_queries(1):
                assert plainly(ask(user.pk, name)) == expected
    assert ask(User.objects.get(username="bob").pk, "") != []


def test_it_is_built_once(teams):
    built = []

    @prepared
    def names(team: int) -> "QuerySet[Project, str]":
        built.append(team)
        return Project.objects.filter(team=team).values_list("name", flat=True)

    assert [names(team.pk) for team in teams] == [["of Team 0"], ["of Team 1"]]
    assert len(built) == 1


def test_nothing_and_numbers_that_no_column_holds_find_nothing(teams):
    ask = prepared(seen)
    assert ask(2**63, "") == ask(-(2**70), "") == ask(None, "") == []

    @prepared_update
    def end(team: int) -> tuple[QuerySet[Team], dict[str, object]]:
        return Team.objects.filter(pk=team), {"name": "gone"}

    assert end(10**30) == 0
    assert not Team.objects.filter(name="gone").exists()


def test_a_kept_update_writes_each_kind_of_value_and_says_how_many_rows(teams):
    hook = Webhook.objects.create(project=Project.objects.first(), url="https://a.example", events=["frozen"])
    one = Delivery.objects.create(webhook=hook, event="frozen", body={}, due_at=datetime(2026, 1, 1, tzinfo=UTC))

    @prepared_update
    def write(pk: int, body: dict, due: datetime | None, event: str) -> tuple[QuerySet[Delivery], dict[str, object]]:
        fields = {"body": body, "due_at": due, "event": event, "tries_before": F("tries_before") + 1}
        return Delivery.objects.filter(pk=pk), fields

    body, due = {"a": ['"quoted" %s', {"é": None}]}, datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)
    assert write(one.pk, body, due, "it's 100%") == 1
    assert write(one.pk + 1, body, due, "") == 0
    one.refresh_from_db()
    assert (one.body, one.due_at, one.event, one.tries_before) == (body, due, "it's 100%", 1)


@pytest.mark.django_db(transaction=True)
def test_other_threads_ask_by_their_own_connections_and_the_first_ones_can_end(teams):
    ask, found, first = prepared(seen), [], []
    user = User.objects.get(username="bob").pk

    def look():
        try:
            found.append(plainly(ask(user, "")))
            first.append(weakref.ref(connections["default"]))
        finally:
            connections["default"].close()
            del connections["default"]

    for _ in range(2):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert found == [plainly(seen(user, ""))] * 2
    gc.collect()
    assert [one() for one in first] == [None, None]


@pytest.mark.services
def test_postgresql_plans_it_once_for_a_connection(teams):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server that plans.")

    @prepared
    def named(name: str) -> models.QuerySet[Team]:
        return Team.objects.filter(name=name)

    for team in teams:
        assert named(team.name) == [team]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%accounts_team%name%'")
        assert cursor.fetchone() == (1,)
