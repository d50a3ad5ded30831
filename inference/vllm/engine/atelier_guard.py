"""The guard in front of vLLM's own routes: nothing without the key, and with it only what Atelier calls.

vLLM's key covers /v1, /v2, /inference and /cohere alone: /invocations (which answers like /v1), /tokenize, /pause,
/update_weights, /metrics and others stay open beside it (vLLM 0.32, serve/middleware/authenticate.py). vLLM imports
this file itself (`--middleware`), so it knows nothing of Atelier.
"""

import hmac
import json
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = frozenset(
    {
        ("GET", "/health"),
        ("GET", "/v1/models"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/load_lora_adapter"),
        ("POST", "/v1/unload_lora_adapter"),
    }
)
ANSWERING = "/v1/chat/completions"
LOAD = ("GET", "/atelier/load")  # the guard's own: what is being answered, and for how long nothing was


class EngineGuard:
    """ASGI middleware, the outermost. Raises RuntimeError when the environment holds no key: never open by mistake."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.wanted = f"Bearer {os.environ.get('VLLM_API_KEY', '')}".encode()
        if self.wanted == b"Bearer ":
            raise RuntimeError("VLLM_API_KEY is not set, so nothing may be served.")
        self.running, self.quiet_since = 0, time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif not self._has_key(scope):
            await _say(send, 401, {"error": {"message": "This engine answers only Atelier."}})
        elif (scope["method"], scope["path"]) == LOAD:
            quiet = 0.0 if self.running else time.monotonic() - self.quiet_since
            await _say(send, 200, {"running": self.running, "quiet_seconds": quiet})
        elif (scope["method"], scope["path"]) not in OPEN:
            await _say(send, 404, {"error": {"message": "This route is disabled here."}})
        elif scope["path"] == ANSWERING:
            await self._answer(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.running += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.running, self.quiet_since = self.running - 1, time.monotonic()

    def _has_key(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self.wanted)


async def _say(send: Send, status: int, words: dict[str, Any]) -> None:
    body = json.dumps(words).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
