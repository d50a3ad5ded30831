"""A server that speaks OpenAI's chat completions, with faults on request.

    python -m tests.fakes.openai_server --port 8123 --latency 0.2

Answers repeat the last user message, or what `Plan.reply` says. The calls are kept in `server.calls`.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Fault = str  # "429", "500", "401", "stall", "cut", "huge", "broken", "redirect", "empty", "gzip", "nul", "odd words"


@dataclass
class Plan:
    """The behaviour of the server: seconds before an answer, the faults of the coming calls in order, a share of faults."""

    latency: float = 0.0
    faults: list[Fault] = field(default_factory=list)
    fault_share: float = 0.0
    retry_after: str | None = None
    reasoning: str = ""
    reasoning_field: str = "reasoning"
    every: float = (
        0.0  # seconds between two calls that are taken; the others get 429, without a Retry-After if none is set
    )
    usage: bool = True
    pause: float = 0.0  # between two pieces of a stream
    reply: Callable[[dict[str, Any]], str] | None = None
    finish: str = ""  # why answers ended, instead of the truth
    raw: Callable[[dict[str, Any]], Any] | None = None  # the whole JSON of a reply; of a stream, a list of its pieces


class FakeOpenAI:
    """The server as an async context manager; `url` is its base URL."""

    def __init__(self, plan: Plan | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        self.plan = plan or Plan()
        self.calls: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._host, self._port = host, port
        self._random = random.Random(1)
        self._taken = 0.0

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        server = site._server
        assert isinstance(server, asyncio.Server)
        self._port = server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}/v1"

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "fake", "object": "model"}]})

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.calls.append(body)
        self.headers.append(dict(request.headers))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            fault = self._fault()
            if self.plan.latency:
                await asyncio.sleep(self.plan.latency)
            if fault:
                return await self._fail(fault, request, body)
            if self.plan.raw:
                return await self._raw(request, body, self.plan.raw(body))
            if body.get("stream"):
                return await self._stream(request, body)
            return web.json_response(self._completion(body))
        finally:
            self.in_flight -= 1

    def _fault(self) -> Fault:
        if self.plan.faults:
            return self.plan.faults.pop(0)
        if time.monotonic() - self._taken < self.plan.every:
            return "429"
        self._taken = time.monotonic()
        if self.plan.fault_share and self._random.random() < self.plan.fault_share:
            return self._random.choice(["429", "500"])
        return ""

    async def _fail(self, fault: Fault, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if fault.isdigit():
            headers = {"Retry-After": self.plan.retry_after} if self.plan.retry_after is not None else {}
            key = request.headers.get("Authorization", "")
            error = {"error": {"message": f"made to fail with {fault}, {key}", "type": "fake"}}
            return web.json_response(error, status=int(fault), headers=headers)
        if fault == "nul":
            return web.json_response({"error": {"message": "it broke \x00 \ud800 here"}}, status=400)
        if fault == "odd words":
            odd = self._completion(body) | {"model": "m\x00\ud800"}
            odd["choices"][0]["finish_reason"] = "stop\x00\udfff"
            return web.json_response(odd)
        if fault == "redirect":
            raise web.HTTPTemporaryRedirect("http://127.0.0.1:1/v1/chat/completions")
        if fault == "empty":
            return web.json_response(self._completion(body) | {"choices": []})
        if fault == "broken":
            return web.Response(text='{"id": "x", "choices": [', content_type="application/json")
        if fault == "html":
            return web.Response(text="<html>It works!</html>", content_type="text/html")
        if fault == "gzip":
            response = web.json_response(self._completion(body))
            response.enable_compression(web.ContentCoding.gzip)
            response.headers["Content-Encoding"] = "gzip"
            return response
        if fault == "stall":
            await asyncio.sleep(60)
        return await self._break_off(fault, request, body)

    async def _break_off(self, fault: Fault, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        """Send a body that is cut in the middle, or that never ends."""
        text = json.dumps(self._completion(body))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.content_length = len(text) if fault == "cut" else 10**9
        await response.prepare(request)
        await response.write(text[: len(text) // 2].encode())
        while fault == "huge":
            await response.write(b" " * 1_000_000)
        assert request.transport is not None
        request.transport.close()
        return response

    def _answer(self, body: dict[str, Any]) -> tuple[str, str]:
        """Return the answer, and why it ended there: a word counts as a token."""
        whole = self._whole(body)
        text = " ".join(whole.split(" ")[: body.get("max_tokens")])
        return text, self.plan.finish or ("stop" if text == whole else "length")

    def _whole(self, body: dict[str, Any]) -> str:
        if self.plan.reply:
            return self.plan.reply(body)
        asked = [message["content"] for message in body["messages"] if message["role"] == "user"]
        return f"Answer to: {asked[-1] if asked else ''}"

    def _usage(self, text: str, body: dict[str, Any]) -> dict[str, int]:
        asked = sum(len(str(message.get("content", "")).split()) for message in body["messages"])
        return {
            "prompt_tokens": asked,
            "completion_tokens": len(text.split()),
            "total_tokens": asked + len(text.split()),
        }

    def _head(self, body: dict[str, Any], kind: str) -> dict[str, Any]:
        return {"id": "chat-1", "object": kind, "created": int(time.time()), "model": body.get("model", "fake")}

    def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
        text, why_ended = self._answer(body)
        message = {"role": "assistant", "content": text}
        if self.plan.reasoning:
            message[self.plan.reasoning_field] = self.plan.reasoning
        choice = {"index": 0, "message": message, "finish_reason": why_ended}
        usage = {"usage": self._usage(text, body)} if self.plan.usage else {}
        return self._head(body, "chat.completion") | {"choices": [choice]} | usage

    async def _stream(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        head = self._head(body, "chat.completion.chunk")
        text, why_ended = self._answer(body)
        deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
        deltas += [{self.plan.reasoning_field: word + " "} for word in self.plan.reasoning.split()]
        deltas += [{"content": piece} for piece in text.split(" ")[:1] + [" " + word for word in text.split(" ")[1:]]]
        for delta in deltas:
            choice = {"index": 0, "delta": delta, "finish_reason": None}
            await self._send(response, head | {"choices": [choice]})
            if self.plan.pause:
                await asyncio.sleep(self.plan.pause)
        last = {"index": 0, "delta": {}, "finish_reason": why_ended}
        await self._send(response, head | {"choices": [last]})
        if body.get("stream_options", {}).get("include_usage") or self.plan.usage:
            await self._send(response, head | {"choices": [], "usage": self._usage(text, body)})
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _raw(self, request: web.Request, body: dict[str, Any], said: Any) -> web.StreamResponse:
        if not body.get("stream"):
            return web.json_response(said)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in said:
            await self._send(response, piece)
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _send(self, response: web.StreamResponse, chunk: dict[str, Any]) -> None:
        await response.write(f"data: {json.dumps(chunk)}\n\n".encode())


async def serve(plan: Plan, host: str, port: int) -> None:
    async with FakeOpenAI(plan, host, port) as server:
        print(f"listening on {server.url}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A fake chat completions server for tests and measurements.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--fault-share", type=float, default=0.0, help="share of calls answered 429 or 500")
    options = parser.parse_args()
    plan = Plan(latency=options.latency, fault_share=options.fault_share)
    try:
        asyncio.run(serve(plan, options.host, options.port))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
