"""No request gets a 500: the whole API and all pages, asked with hostile values by the owner of a project that has
something of every kind. Each request is taken back afterwards, so that all find the same project."""

from collections import Counter, defaultdict
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from atelier.accounts.models import User
from atelier.jobs import queue
from curation.models import Annotation, Dataset, Distillation, Queue, Suggestion, Version
from inference.models import Endpoint, Evaluation
from tests.atelier.fuzz import pages as shown
from tests.atelier.fuzz.calls import Call, Calls
from tests.atelier.fuzz.pages import FieldReads, PageRequest, PageRequests
from tests.atelier.fuzz.world import World, at_once
from tests.conftest import signed_in
from tests.curation.teacher import teacher_server
from tests.guides.operations import OPERATIONS
from tests.inference.models_fixtures import base_on_disk  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.fuzz]
WITH_NUMBERS = (Annotation, Dataset, Distillation, Queue, Suggestion, Version, Endpoint, Evaluation)
STOPPED = {401, 403, 404, 405}  # before the view has looked at what was sent


class Outcome:
    """Statuses by operation or route, and every fault with its request."""

    def __init__(self) -> None:
        self.statuses: dict[str, Counter[int]] = defaultdict(Counter)
        self.faults: dict[str, str] = {}

    def note(self, where: str, ask: Call | PageRequest, answer: Any) -> None:
        self.statuses[where][answer.status_code] += 1
        if answer.status_code >= 500:
            error = (getattr(answer, "exc_info", None) or (None, answer.content[:200], None))[1]
            self.faults.setdefault(f"{where}: {type(error).__name__} {str(error)[:60]}", f"{ask}\n    {error!r}"[:700])

    def share(self, *, got: set[int]) -> float:
        counts = sum(self.statuses.values(), Counter())
        return sum(number for status, number in counts.items() if status in got) / counts.total()

    def told(self) -> str:
        return f"{len(self.faults)} faults\n" + "\n".join(
            f"* {name}\n    {text}" for name, text in list(self.faults.items())[:60]
        )


@pytest.fixture
def world(db, project, alice, bob, ann, monkeypatch, base_on_disk):  # noqa: F811
    with monkeypatch.context() as patch, teacher_server() as server:
        at_once(patch)
        made = World(project, [alice, bob, ann], server.url)
        patch.setattr(queue, "wake", lambda job: None)
        yield made


def taken_back(client: Client, method: str, url: str, body: bytes, content_type: str) -> Any:
    """Return the response, read to its end; its changes in the database are undone. What it stored must be readable."""
    cookies = client.cookies.copy()
    around = transaction.atomic()
    around._from_testcase = True  # as the transaction of a test: one that must be the outermost may begin within it
    with around:
        answer = client.generic(method, url, body, content_type)
        if answer.streaming and not answer["Content-Type"].startswith("text/event-stream"):
            b"".join(answer)
        if method != "GET" and answer.status_code < 400:
            for model in WITH_NUMBERS:
                list(model.objects.order_by("-pk")[:20])
        transaction.set_rollback(True)
    client.cookies = cookies
    return answer


def test_no_call_of_the_api_gets_a_500(world):
    assert world.lacking([one.path for one in OPERATIONS]) == set(), "say in fuzz/world.py what these are ids of"
    client = Client(headers={"Authorization": f"Bearer {world.keys['alice']}"}, raise_request_exception=False)
    outcome = Outcome()
    for call in Calls(world).all():
        outcome.note(call.operation, call, taken_back(client, call.method, call.url, call.body, call.content_type))
    assert not outcome.faults, outcome.told()
    stopped = [where for where, counts in outcome.statuses.items() if set(counts) <= STOPPED]
    assert not stopped, f"no request got as far as the operation itself: {stopped}"
    assert sum(map(Counter.total, outcome.statuses.values())) > 3000
    assert outcome.share(got=set(range(600)) - STOPPED) > 0.7
    assert outcome.share(got=set(range(200, 300))) > 0.1


def test_no_page_gets_a_500(world, alice, monkeypatch, settings):
    settings.REGISTRATION_OPEN = True
    User.objects.filter(pk=alice.pk).update(is_superuser=True)  # the pages of the installation are for its owners
    client = signed_in(alice)
    client.raise_request_exception = False
    assert world.lacking([route for _, route in shown.ROUTES]) == set(), "say in fuzz/world.py what these are ids of"
    read, outcome = FieldReads(monkeypatch), Outcome()
    asks = PageRequests(world, read)

    def ask(one: PageRequest) -> Any:
        read.route = one.route
        answer = taken_back(client, one.method, one.url, one.body, "application/x-www-form-urlencoded")
        outcome.note(one.route, one, answer)
        return answer

    for one in asks.first():
        answer = ask(one)
        if one.method == "GET" and not answer.streaming:
            asks.learn(one.route, one.url, answer.content)
    for one in asks.all():
        ask(one)
    assert not outcome.faults, outcome.told()
    excused = {route for name, route in shown.ROUTES if name in shown.EXCUSED}
    stopped = {where for where, counts in outcome.statuses.items() if set(counts) <= STOPPED} - excused
    assert not stopped, f"no request got as far as the view itself: {stopped}"
    assert outcome.share(got=set(range(600)) - STOPPED) > 0.6
    assert outcome.share(got=set(range(200, 400))) > 0.3
    assert sum(map(len, read.by_route.values())) > 300
