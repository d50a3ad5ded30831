"""Streaming of answers in a comparison: which process writes one, what is sent of it, and how it is stored in any case.

A reply's row shows whether it waits, is being written, or is over. Writing it takes the row by one conditional UPDATE,
so that two tabs never ask twice; the others follow the row. No database connection is held between two reads.
"""

import asyncio
import json
import logging
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.db import close_old_connections, connection
from django.db.models import Q
from django.utils import timezone

from curation.chat import Answer, ClientError, Delta, Sampling
from inference.clients import EndpointClient
from inference.comparisons import turns
from inference.models import Endpoint, Reply

PING_SECONDS = 15.0  # proxies close what is silent for longer
LOOK_SECONDS = 5.0  # wishes, permission and what is kept so far: at most this old
FOLLOW_SECONDS = 0.5
LOST_SECONDS = 30.0  # a writer that gave no sign for so long is gone
# An error names the endpoint's address, so it waits for the vote in a blind comparison.
HIDDEN_ERROR = "The call failed. The reason is shown after your vote, because it may name the model."
MAX_OPEN = 8  # streams of one person in one process

log = logging.getLogger(__name__)
T = TypeVar("T")
OpenClient = Callable[[Endpoint], EndpointClient]
_open: Counter[int] = Counter()
_live: "dict[int, AnswerWriter]" = {}
_closing: set[asyncio.Task[None]] = set()


async def in_database(function: Callable[..., T], *args: Any) -> T:
    """Run a short database function in this request's thread, and release its connection at once."""

    def work() -> T:
        try:
            return function(*args)
        finally:
            if not connection.in_atomic_block:  # a caller's transaction is the caller's to end
                close_old_connections()

    return await sync_to_async(work)()


@dataclass
class StreamPosition:
    """How much of an answer the browser has: characters of its text and of its reasoning. Sent as the event's id."""

    text: int = 0
    reasoning: int = 0

    @classmethod
    def parse(cls, last_id: str) -> "StreamPosition":
        found = re.fullmatch(r"(\d{1,9})\.(\d{1,9})", last_id)
        return cls(int(found[1]), int(found[2])) if found else cls()

    def events(self, text: str, reasoning: str) -> Iterable[bytes]:
        """Yield what is new since this position, and move the position there."""
        if len(text) < self.text or len(reasoning) < self.reasoning:
            self.text = self.reasoning = 0
            yield event("reset", {}, self)
        if len(reasoning) > self.reasoning:
            piece, self.reasoning = reasoning[self.reasoning :], len(reasoning)
            yield event("reasoning", {"text": piece}, self)
        if len(text) > self.text:
            piece, self.text = text[self.text :], len(text)
            yield event("token", {"text": piece}, self)


def event(kind: str, data: dict[str, Any], place: StreamPosition | None = None) -> bytes:
    """Return one server-sent event; JSON keeps every line break of the data inside one line."""
    head = f"id: {place.text}.{place.reasoning}\n" if place else ""
    return f"{head}event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def last_event(reply: Reply, may_tell: bool = True) -> bytes:
    """Return the event that ends the stream of a finished reply; without figures where they would tell who wrote it."""
    if reply.state == Reply.State.FAILED:
        return event("failed", {"message": reply.error if may_tell else HIDDEN_ERROR, "final": True})
    if not may_tell:
        return event("done", {})
    return event(
        "done", {"tokens": reply.completion_tokens, "seconds": reply.seconds, "first": reply.first_token_seconds}
    )


class AnswerWriter:
    """Writes one answer: takes pieces from the client, stores them in the row."""

    def __init__(self, reply: Reply, messages: list[dict[str, Any]], client: EndpointClient) -> None:
        self.reply, self.messages, self.client = reply, messages, client
        self.seen: datetime = reply.seen_at  # type: ignore[assignment]  # proof that the row is ours
        self.text = self.reasoning = self.error = ""
        self.answer: Answer | None = None
        self.pieces = 0
        self.first: float | None = None
        self.over = False
        self.news = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.started = time.monotonic()

    async def pump(self) -> None:
        """Call the endpoint, and take the pieces as they come."""
        try:
            async with aclosing(self._asked()) as deltas:
                async for delta in deltas:
                    self._take(delta.text, delta.reasoning)
                    self.answer = delta.answer or self.answer
        except ClientError as error:
            self.error = str(error)[:500]
        finally:
            self.over = True
            self.news.set()
            await self.client.close()

    def _asked(self) -> AsyncIterator[Delta]:
        tools = self.reply.turn.comparison.tools
        return self.client.stream(self.messages, Sampling(**self.reply.sampling), tools)

    def _take(self, text: str, reasoning: str) -> None:
        if text or reasoning:
            self.first = self.first if self.first is not None else time.monotonic() - self.started
            self.text, self.reasoning, self.pieces = self.text + text, self.reasoning + reasoning, self.pieces + 1
            self.news.set()

    def stop(self) -> None:
        """Stop writing; may be called from any thread."""
        self.loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        self.over = True
        self.news.set()

    async def wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.news.wait()
        except TimeoutError:
            return
        self.news.clear()

    def _mine(self) -> Any:
        return Reply.objects.filter(pk=self.reply.pk, state=Reply.State.STREAMING, seen_at=self.seen)

    def look(self) -> bool:
        """Renew the sign of life with the text so far.

        Returns False when somebody stopped it, or another writer took the row.
        """
        now = timezone.now()
        kept = self._mine().filter(stop_wanted=False).update(seen_at=now, text=self.text, reasoning=self.reasoning)
        if kept:
            self.seen = now
        return bool(kept)

    def save(self) -> None:
        """Store all figures at the end, and the state with which it ended."""
        done, failed = self.answer is not None, bool(self.error)
        state = Reply.State.FAILED if failed else Reply.State.DONE if done else Reply.State.STOPPED
        # A stopped answer comes without counts; servers send about one token a piece.
        tokens = self.answer.completion_tokens if self.answer else self.pieces
        self._mine().update(
            state=state,
            # Where thoughts ended with a tag alone, only the whole answer could be parted.
            text=self.answer.text if self.answer else self.text,
            reasoning=self.answer.reasoning if self.answer else self.reasoning,
            tool_calls=list(self.answer.tool_calls) if self.answer else [],
            refusal=self.answer.refusal if self.answer else "",
            error=self.error,
            seen_at=None,
            prompt_tokens=self.answer.prompt_tokens if self.answer else 0,
            completion_tokens=tokens,
            is_cut=bool(self.answer and not self.answer.is_whole),
            finish_reason=self.answer.finish_reason[:40] if self.answer else "",
            first_token_seconds=self.first,
            seconds=time.monotonic() - self.started,
        )


def _lost() -> Q:
    """Return the condition for replies that are being written by the row, but by nobody in truth."""
    silent = Q(seen_at=None) | Q(seen_at__lt=timezone.now() - timedelta(seconds=LOST_SECONDS))
    return Q(state=Reply.State.STREAMING) & silent


def _may_be_taken(reply: Reply) -> bool:
    if reply.state == Reply.State.STREAMING:
        return reply.seen_at is None or reply.seen_at < timezone.now() - timedelta(seconds=LOST_SECONDS)
    return reply.state == Reply.State.WAITING


def _claim(pk: int, open_client: OpenClient) -> tuple[Reply, list[dict[str, Any]], EndpointClient] | None:
    """Claim the reply for writing: its row, its messages and the client. None when another writer has it."""
    rows = Reply.objects.filter(pk=pk)
    free = rows.filter(Q(state=Reply.State.WAITING) | _lost())
    if not free.update(state=Reply.State.STREAMING, seen_at=timezone.now(), stop_wanted=False):
        return None
    reply = rows.select_related("turn__comparison", "side__endpoint__deployment", "side__endpoint__adapter").get()
    try:
        return reply, turns.context(reply), open_client(reply.side.endpoint)
    except ValidationError as error:
        rows.update(state=Reply.State.FAILED, error=" ".join(error.messages)[:500], seen_at=None)
        return None


async def events(
    pk: int,
    open_client: OpenClient,
    *,
    last_id: str = "",
    may_write: bool = True,
    may_tell: bool = True,
    allowed: Callable[[], bool] = lambda: True,
) -> AsyncIterator[bytes]:
    """Yield the events of one answer: written here when nobody else does, otherwise followed or replayed from the row."""
    place, quiet = StreamPosition.parse(last_id), 0.0
    looked = time.monotonic()
    while True:
        reply = await in_database(lambda: Reply.objects.filter(pk=pk).first())
        if reply is None:
            return
        claimed = await in_database(_claim, pk, open_client) if may_write and _may_be_taken(reply) else None
        if claimed:
            async with aclosing(_write(AnswerWriter(*claimed), place, allowed, may_tell)) as written:
                async for sent in written:
                    yield sent
            return
        for sent in place.events(reply.text, reply.reasoning if may_tell else ""):
            quiet = 0.0
            yield sent
        if reply.is_over:
            yield last_event(reply, may_tell)
            return
        await asyncio.sleep(FOLLOW_SECONDS)
        quiet += FOLLOW_SECONDS
        if quiet >= PING_SECONDS:
            quiet = 0.0
            yield b": ping\n\n"
        if time.monotonic() - looked > LOOK_SECONDS:
            looked = time.monotonic()
            if not await in_database(allowed):
                return


async def _write(
    writer: AnswerWriter, place: StreamPosition, allowed: Callable[[], bool], may_tell: bool
) -> AsyncIterator[bytes]:
    """Write the answer and send it; whatever ends this, what was written so far is stored."""
    pump = asyncio.create_task(writer.pump())
    _live[writer.reply.pk] = writer
    looked = sent_at = time.monotonic()
    try:
        while not writer.over:
            await writer.wait(max(0.01, looked + LOOK_SECONDS - time.monotonic()))
            for sent in place.events(writer.text, writer.reasoning if may_tell else ""):
                sent_at = time.monotonic()
                yield sent
            if time.monotonic() - looked >= LOOK_SECONDS and not writer.over:
                looked = time.monotonic()
                if not (await in_database(writer.look) and await in_database(allowed)):
                    break
            if time.monotonic() - sent_at >= PING_SECONDS:
                sent_at = time.monotonic()
                yield b": ping\n\n"
    finally:
        _live.pop(writer.reply.pk, None)
        closing = asyncio.ensure_future(_close(writer, pump))
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)
        # The browser may be gone and this task cancelled: the answer is kept all the same.
        await asyncio.shield(closing)
    for sent in place.events(writer.text, writer.reasoning if may_tell else ""):
        yield sent
    reply = await in_database(lambda: Reply.objects.filter(pk=writer.reply.pk).first())
    if reply is not None:
        yield last_event(reply, may_tell)


async def _close(writer: AnswerWriter, pump: "asyncio.Task[None]") -> None:
    pump.cancel()
    await asyncio.wait([pump])
    error = None if pump.cancelled() else pump.exception()
    if error is not None:
        log.error("an answer of %s broke off", writer.reply.side.endpoint, exc_info=error)
        writer.error = f"An unexpected error occurred ({type(error).__name__}). See the server's log for details."
    await in_database(writer.save)


async def limited(user_id: int, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the same events, unless the person already has too many answers open."""
    if _open[user_id] >= MAX_OPEN:
        sentence = f"You already have {MAX_OPEN} answers being written. Wait for one to end, then reload the page."
        yield event("failed", {"message": sentence})
        return
    _open[user_id] += 1
    try:
        async with aclosing(source) as sent:  # type: ignore[type-var]
            async for piece in sent:
                yield piece
    finally:
        _open[user_id] -= 1
        if not _open[user_id]:
            del _open[user_id]


async def write_all(pks: Iterable[int], open_client: OpenClient) -> None:
    """Write several answers at the same time, and return when all are over: for clients that do not stream."""

    async def write(pk: int) -> None:
        async for _ in events(pk, open_client):
            pass

    await asyncio.gather(*(write(pk) for pk in pks))


def stop(reply: Reply) -> None:
    """Stop an answer with the text it has. In this process at once; in another within a few seconds."""
    rows = Reply.objects.filter(pk=reply.pk)
    if rows.filter(Q(state=Reply.State.WAITING) | _lost()).update(state=Reply.State.STOPPED, seen_at=None):
        return
    rows.filter(state=Reply.State.STREAMING).update(stop_wanted=True)
    writer = _live.get(reply.pk)
    if writer is not None:
        writer.stop()
