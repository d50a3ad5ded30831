"""Answers while they are written: events, stopping, leaving, coming back, and what the row keeps."""

import asyncio
import json
from contextlib import aclosing
from datetime import timedelta

import pytest
from django.test import AsyncClient
from django.utils import timezone

from atelier.accounts.models import Membership
from curation.chat import Sampling
from inference import endpoints
from inference.comparisons import streams, turns
from inference.models import Deployment, Reply
from tests.fakes.openai_server import FakeOpenAI, Plan
from tests.inference.asking import comparing

pytestmark = pytest.mark.django_db(transaction=True)
in_database = streams.in_database


async def waiting(project, user, url, prompt="Tell me a long story, please", **more):
    """Return the replies of a new turn, none of them written."""
    found = await in_database(lambda: comparing(project, user, url, **more))
    turn = await in_database(turns.say, found, user, prompt)
    return await in_database(lambda: list(turn.replies.order_by("pk")))


def parsed(sent: list[bytes]) -> list[tuple[str, dict]]:
    found = []
    for event in b"".join(sent).decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in event.splitlines() if line and not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def text_in(events):
    return "".join(data["text"] for kind, data in events if kind == "token")


async def collect(pk, **more):
    return parsed([sent async for sent in streams.events(pk, endpoints.client_for, **more)])


async def row(reply):
    return await Reply.objects.aget(pk=reply.pk)


async def test_an_answer_streams_and_is_kept(project, alice):
    async with FakeOpenAI(Plan(pause=0.01)) as server:
        reply, _ = await waiting(project, alice, server.url)
        events = await collect(reply.pk)
    assert text_in(events) == "Answer to: Tell me a long story, please"
    assert events[-1][0] == "done"
    kept = await row(reply)
    assert (kept.state, kept.text, kept.completion_tokens) == ("done", text_in(events), 8)
    assert 0 < kept.first_token_seconds <= kept.seconds
    assert events[-1][1]["tokens"] == 8
    assert not kept.is_cut


async def test_an_answer_that_reached_the_limit_of_tokens_says_so(project, alice):
    async with FakeOpenAI() as server:
        replies = await waiting(project, alice, server.url, sampling=Sampling(max_tokens=3))
        await collect(replies[0].pk)
    kept = await row(replies[0])
    assert (kept.state, kept.text, kept.is_cut) == ("done", "Answer to: Tell", True)


async def test_reasoning_comes_apart_from_the_text(project, alice):
    async with FakeOpenAI(Plan(reasoning="let me think")) as server:
        reply, _ = await waiting(project, alice, server.url)
        events = await collect(reply.pk)
    assert "".join(data["text"] for kind, data in events if kind == "reasoning").split() == ["let", "me", "think"]
    assert (await row(reply)).reasoning.strip() == "let me think"


async def test_the_end_of_a_stream_tells_no_figures_while_names_are_hidden(project, alice):
    async with FakeOpenAI() as server:
        replies = await waiting(project, alice, server.url)
        for reply, may_tell in zip(replies, (True, False), strict=True):
            for _ in ("written", "replayed"):
                kind, figures = (await collect(reply.pk, may_tell=may_tell))[-1]
                assert kind == "done"
                assert set(figures) == ({"tokens", "seconds", "first"} if may_tell else set())


async def test_a_done_answer_is_replayed_from_the_row_after_the_last_event(project, alice):
    async with FakeOpenAI() as server:
        reply, _ = await waiting(project, alice, server.url)
        whole = text_in(await collect(reply.pk))
        calls = len(server.calls)
        again = await collect(reply.pk, last_id="7.0")
        odd = await collect(reply.pk, last_id="what?")
        too_far = await collect(reply.pk, last_id="9999.0")
        assert len(server.calls) == calls
    assert text_in(again) == whole[7:]
    assert text_in(odd) == whole
    assert too_far[0][0] == "reset"
    assert text_in(too_far) == whole


async def test_two_tabs_ask_once_and_both_see_it(project, alice, monkeypatch):
    monkeypatch.setattr(streams, "FOLLOW_SECONDS", 0.02)
    async with FakeOpenAI(Plan(latency=0.2)) as server:
        reply, _ = await waiting(project, alice, server.url)
        one, two = await asyncio.gather(collect(reply.pk), collect(reply.pk))
        assert len(server.calls) == 1
    assert text_in(one) == text_in(two) != ""


async def test_an_error_is_an_event_with_a_sentence(project, alice):
    async with FakeOpenAI(Plan(faults=["401"])) as server:
        reply, _ = await waiting(project, alice, server.url)
        events = await collect(reply.pk)
    kind, data = events[-1]
    assert kind == "failed"
    assert "API key" in data["message"]
    assert data["final"]
    assert (await row(reply)).state == "failed"


async def test_an_endpoint_that_is_down_fails_with_what_to_do(project, alice):
    async with FakeOpenAI() as server:
        reply, _ = await waiting(project, alice, server.url)

        def undeploy():
            side = Reply.objects.get(pk=reply.pk).side
            side.endpoint.kind = "served"
            side.endpoint.deployment = Deployment.objects.create(
                project=project, base="small", state="failed", seen_at=timezone.now()
            )
            side.endpoint.save()

        await in_database(undeploy)
        events = await collect(reply.pk)
        assert server.calls == []
    assert events[-1][0] == "failed"
    assert "Models" in events[-1][1]["message"]


async def test_stop_ends_it_with_what_there_is(project, alice):
    async with FakeOpenAI(Plan(pause=0.05)) as server:
        reply, _ = await waiting(project, alice, server.url, prompt="word " * 200)
        sent = []
        async for event in streams.events(reply.pk, endpoints.client_for):
            sent.append(event)
            if len(sent) == 3:
                await in_database(streams.stop, reply)
    events = parsed(sent)
    assert events[-1][0] == "done"
    kept = await row(reply)
    assert kept.state == "stopped"
    assert kept.text == text_in(events)
    assert 0 < len(kept.text) < 900


async def test_stop_in_another_process_is_seen_at_the_next_look(project, alice, monkeypatch):
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.1)
    async with FakeOpenAI(Plan(pause=0.05)) as server:
        reply, _ = await waiting(project, alice, server.url, prompt="word " * 200)
        task = asyncio.create_task(collect(reply.pk))
        await asyncio.sleep(0.4)
        await Reply.objects.filter(pk=reply.pk).aupdate(stop_wanted=True)
        events = await asyncio.wait_for(task, 60)
    assert events[-1][0] == "done"
    assert (await row(reply)).state == "stopped"


async def test_what_waits_is_stopped_without_asking(project, alice):
    async with FakeOpenAI() as server:
        reply, _ = await waiting(project, alice, server.url)
        await in_database(streams.stop, reply)
        events = await collect(reply.pk)
        assert server.calls == []
    assert [kind for kind, _ in events] == ["done"]


@pytest.mark.parametrize("way", ["closed", "cancelled"])
async def test_what_was_written_is_kept_when_the_browser_leaves(project, alice, way):
    async with FakeOpenAI(Plan(pause=0.05)) as server:
        reply, _ = await waiting(project, alice, server.url, prompt="word " * 200)
        if way == "closed":
            async with aclosing(streams.events(reply.pk, endpoints.client_for)) as events:
                async for _ in events:
                    break
        else:
            task = asyncio.create_task(collect(reply.pk))
            await asyncio.sleep(0.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await asyncio.sleep(0.2)
        assert server.in_flight == 0
    kept = await row(reply)
    assert kept.state == "stopped"
    assert kept.text.startswith("Answer")


async def test_an_answer_whose_writer_died_is_written_again(project, alice):
    async with FakeOpenAI() as server:
        reply, _ = await waiting(project, alice, server.url)
        long_ago = timezone.now() - timedelta(seconds=streams.LOST_SECONDS + 1)
        await Reply.objects.filter(pk=reply.pk).aupdate(state="streaming", seen_at=long_ago, text="Half an ans")
        events = await collect(reply.pk, last_id="9999.0")
    assert text_in(events).endswith("story, please")
    assert (await row(reply)).state == "done"


async def test_a_writer_that_was_taken_for_dead_writes_no_more(project, alice):
    async with FakeOpenAI(Plan(pause=0.05)) as server:
        reply, _ = await waiting(project, alice, server.url, prompt="word " * 100)
        task = asyncio.create_task(collect(reply.pk))
        await asyncio.sleep(0.4)
        await Reply.objects.filter(pk=reply.pk).aupdate(state="done", text="By another", seen_at=None)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (await row(reply)).text == "By another"


async def test_silence_is_filled_with_pings(project, alice, monkeypatch):
    monkeypatch.setattr(streams, "PING_SECONDS", 0.1)
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.1)
    async with FakeOpenAI(Plan(latency=0.6)) as server:
        reply, _ = await waiting(project, alice, server.url)
        sent = [event async for event in streams.events(reply.pk, endpoints.client_for)]
    assert sent.count(b": ping\n\n") >= 2


async def test_who_loses_the_permission_sees_no_more(project, alice, monkeypatch):
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.1)
    allowed = [True]
    async with FakeOpenAI(Plan(pause=0.05)) as server:
        reply, _ = await waiting(project, alice, server.url, prompt="word " * 100)
        task = asyncio.create_task(collect(reply.pk, allowed=lambda: allowed[0]))
        await asyncio.sleep(0.4)
        allowed[0] = False
        events = await asyncio.wait_for(task, 60)
    assert len(text_in(events)) < 400


async def test_one_person_has_a_limit_of_open_streams():
    async def endless():
        while True:
            yield b": ping\n\n"
            await asyncio.sleep(10)

    held = [streams.limited(7, endless()) for _ in range(streams.MAX_OPEN)]
    for stream in held:
        await anext(stream)
    refused = parsed([event async for event in streams.limited(7, endless())])
    assert refused[0][0] == "failed"
    assert "8 answers" in refused[0][1]["message"]
    assert await anext(streams.limited(8, endless()))
    for stream in held:
        await stream.aclose()
    assert 7 not in streams._open


async def test_all_sides_are_written_at_the_same_time(project, alice):
    async with FakeOpenAI(Plan(latency=1.5)) as server:
        replies = await waiting(project, alice, server.url, count=4)
        await streams.write_all([reply.pk for reply in replies], endpoints.client_for)
        assert server.most_in_flight == 4
    assert await Reply.objects.filter(state="done").acount() == 4


async def test_text_of_a_model_stays_data(project, alice):
    nasty = "</script>\n\nevent: done\ndata: {}\n\n<img src=x onerror=alert(1)>\r\u2028"
    async with FakeOpenAI(Plan(reply=lambda body: nasty)) as server:
        reply, _ = await waiting(project, alice, server.url)
        sent = [event async for event in streams.events(reply.pk, endpoints.client_for)]
    events = parsed(sent)
    assert text_in(events) == nasty
    assert [kind for kind, _ in events].count("done") == 1


# --- the view ------------------------------------------------------------------------------------


def url_of(reply, project):
    return f"/projects/{project.pk}/compare/{reply.turn.comparison_id}/replies/{reply.pk}/stream"


async def test_the_view_streams_to_members_and_not_to_strangers(project, alice, charlie):
    async with FakeOpenAI() as server:
        reply, _ = await waiting(project, alice, server.url)
        address = await in_database(lambda: url_of(Reply.objects.select_related("turn").get(pk=reply.pk), project))
        client = AsyncClient()
        assert (await client.get(address)).status_code == 302
        await client.aforce_login(charlie)
        assert (await client.get(address)).status_code == 404
        await client.aforce_login(alice)
        answer = await client.get(address)
        assert answer["Content-Type"] == "text/event-stream"
        assert answer["X-Accel-Buffering"] == "no"
        assert answer["Cache-Control"] == "no-store"
        events = parsed([part async for part in answer.streaming_content])
    assert events[-1][0] == "done"


async def test_a_viewer_follows_but_starts_nothing(project, alice, vic, monkeypatch):
    monkeypatch.setattr(streams, "FOLLOW_SECONDS", 0.05)
    async with FakeOpenAI() as server:
        reply, _ = await waiting(project, alice, server.url)
        address = await in_database(lambda: url_of(Reply.objects.select_related("turn").get(pk=reply.pk), project))
        client = AsyncClient()
        await client.aforce_login(vic)
        answer = await client.get(address)

        async def read():
            return parsed([part async for part in answer.streaming_content])

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.3)
        assert server.calls == []
        await streams.write_all([reply.pk], endpoints.client_for)
        events = await asyncio.wait_for(reading, 60)
    assert text_in(events).startswith("Answer")


async def test_a_member_who_is_removed_is_cut_off(project, alice, bob, monkeypatch):
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.1)
    async with FakeOpenAI(Plan(pause=0.05)) as server:
        reply, _ = await waiting(project, alice, server.url, prompt="word " * 200)
        address = await in_database(lambda: url_of(Reply.objects.select_related("turn").get(pk=reply.pk), project))
        client = AsyncClient()
        await client.aforce_login(bob)
        answer = await client.get(address)

        async def read():
            return parsed([part async for part in answer.streaming_content])

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.3)
        await Membership.objects.filter(user=bob).adelete()
        events = await asyncio.wait_for(reading, 60)
    assert len(text_in(events)) < 900
