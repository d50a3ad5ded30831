"""The engine of many model calls: slots, outcomes, and what happens to calls in flight when a run ends before its end."""

import asyncio
import math
import time

import pytest

from curation.calls import CallRun, Calls, Question
from curation.chat import Answer, ClientError, Sampling
from tests.speed import patient


class Patient(Exception):
    """Waits for all that is in flight."""


class Hasty(Exception):
    """Waits for nothing."""


class FakeClient:
    """Answers after a while; counts what is in flight, and what was closed."""

    def __init__(self, seconds=0.02, error=None):
        self.seconds, self.error = seconds, error
        self.asked, self.in_flight, self.most, self.closed = [], 0, 0, False

    async def complete(self, messages, sampling, tools=()):
        self.asked.append(messages[0]["content"])
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.in_flight -= 1
        if self.error:
            raise self.error
        return Answer(f"Answer to {messages[0]['content']}")

    async def close(self):
        self.closed = True


class Job:
    concurrency = 3


class Run(CallRun[str]):
    """Asks every client about its words, and keeps what came in a list."""

    PATIENCE = {Patient: math.inf, Hasty: 0.0}

    def __init__(self, calls, words):
        super().__init__(calls, Job())
        self.words = {client: iter(words) for client in calls.clients}
        self.stored, self.ends = [], []

    def _next(self, client, until):
        word = next(self.words[client], None)
        return None if word is None else Question(f"{client} {word}", [{"role": "user", "content": word}])

    def _store(self, outcomes):
        self.stored += outcomes

    def _obey(self):
        if self.stored and self.ends:
            raise self.ends.pop(0)

    def _check(self):
        pass


def words(count):
    return [f"word {number}" for number in range(count)]


@pytest.fixture
def clients():
    return {1: FakeClient(), 2: FakeClient()}


def opened(clients):
    return Calls(clients, Sampling())


def test_every_client_is_asked_about_everything_with_so_many_in_flight(clients):
    with opened(clients) as calls:
        run = Run(calls, words(10))
        run.run()
    assert sorted(outcome.unit for outcome in run.stored) == sorted(
        f"{pk} {word}" for pk in (1, 2) for word in words(10)
    )
    assert {outcome.answer.text for outcome in run.stored} == {f"Answer to {word}" for word in words(10)}
    assert [client.most for client in clients.values()] == [3, 3]
    assert all(client.closed for client in clients.values())
    assert not run.flying


def test_a_slot_is_free_only_when_its_outcome_is_stored(clients):
    with opened(clients) as calls:
        run = Run(calls, words(10))
        run._fill()
        time.sleep(0.3)  # all six have come by now
        run._fill()
        assert [len(client.asked) for client in clients.values()] == [3, 3]
        run._land(1)
        run._fill()
        time.sleep(0.1)
        assert [len(client.asked) for client in clients.values()] == [6, 6]


@pytest.mark.parametrize(
    ("error", "words_of_it"),
    [
        (ClientError("The key is wrong."), "The key is wrong."),
        (OSError("no route"), "The call failed (OSError: no route)."),
    ],
)
def test_whatever_a_client_raises_is_the_outcome_of_one_call(error, words_of_it):
    with opened({1: FakeClient(), 2: FakeClient(error=error)}) as calls:
        run = Run(calls, words(2))
        run.run()
    assert sorted((outcome.unit, outcome.error) for outcome in run.stored) == [
        ("1 word 0", ""), ("1 word 1", ""), ("2 word 0", words_of_it), ("2 word 1", words_of_it),
    ]  # fmt: skip


def test_who_is_patient_asks_nothing_more_and_gets_all_that_is_in_flight(clients):
    clients[2].seconds = 0.8  # longer than one wait for outcomes
    with opened(clients) as calls:
        run = Run(calls, words(10))
        run.ends = [Patient()]
        with pytest.raises(Patient):
            run.run()
    assert len(run.stored) == sum(len(client.asked) for client in clients.values()) < 20
    assert not run.flying


def test_a_stronger_reason_replaces_a_weaker_and_not_the_other_way_round(clients):
    clients[2].seconds = 600
    with opened(clients) as calls:
        run = Run(calls, words(10))
        run.ends = [Patient(), Patient(), Hasty(), Patient()]
        began = time.monotonic()
        with pytest.raises(Hasty):
            run.run()
    assert time.monotonic() - began < patient(10)
    assert {outcome.unit[0] for outcome in run.stored} == {"1"}
    assert set(run.flying.values()) == {2}
    assert clients[2].in_flight == 0  # cancelled


def test_what_was_answered_is_stored_whatever_ends_the_run(clients):
    clients[2].seconds = 0.1
    with opened(clients) as calls:
        run = Run(calls, words(3))

        def break_down():
            time.sleep(0.4)  # meanwhile the second client answers
            raise SystemExit

        run._check = break_down
        with pytest.raises(SystemExit):
            run.run()
    assert len(run.stored) == 6
