"""What stands in front of vLLM's routes; `ROUTES` is asked of the real engine in test_serving."""

import asyncio
import http.client
import json
from typing import Any

import pytest

from inference.vllm import Spec
from inference.vllm.engine.atelier_guard import EngineGuard

CHAT = {"model": "first", "messages": [{"role": "user", "content": "a"}], "max_tokens": 2}
# What vLLM 0.32 would answer itself; with its own key alone, those outside of /v1, /v2, /inference and /cohere to anybody.
CLOSED = (
    "GET /metrics", "GET /version", "GET /load", "GET /docs", "GET /openapi.json", "GET /ping", "POST /ping", "POST /invocations",
    "POST /tokenize", "POST /detokenize", "GET /tokenizer_info", "POST /pause", "POST /resume", "POST /sleep", "POST /wake_up",
    "GET /is_sleeping", "POST /abort_requests", "POST /start_profile", "POST /update_weights", "POST /init_weight_transfer_engine",
    "POST /scale_elastic_ep", "POST /collective_rpc", "POST /reset_prefix_cache", "GET /server_info", "POST /generative_scoring",
    "POST /v1/completions", "POST /v1/responses", "POST /v1/messages", "POST /inference/v1/generate", "POST /v1/embeddings",
    "POST /v1/chat/completions/batch", "POST /pooling", "POST /score", "POST /fault_tolerance/apply", "OPTIONS /v1/models",
    "GET /v1/models/", "GET //v1/models", "POST /v1/models", "GET /static/x", "PUT /v1/load_lora_adapter",
)  # fmt: skip
ROUTES = {
    **{(*route.split(" "), key): status for route in CLOSED for key, status in (("", 401), ("wrong", 401), ("right", 404))},
    **{(*route.split(" "), key): 401 for route in ("GET /health", "GET /atelier/load", "GET /v1/models", "POST /v1/chat/completions",
       "POST /v1/load_lora_adapter", "POST /v1/unload_lora_adapter") for key in ("", "wrong")},
    ("GET", "/health", "right"): 200,
    ("GET", "/v1/models", "right"): 200,
}  # fmt: skip


def asked(spec: Spec, method: str, path: str, key: str, body: object = None) -> int:
    """Return the status of a call with no key, a wrong one, or the right one."""
    given = {"": {}, "wrong": {"Authorization": f"Bearer {spec.key}x"}}.get(
        key, {"Authorization": f"Bearer {spec.key}"}
    )
    connection = http.client.HTTPConnection("127.0.0.1", spec.port, timeout=60)
    try:
        connection.request(method, path, json.dumps(body or {}), {"Content-Type": "application/json", **given})
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_guard_starts_nothing_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    with pytest.raises(RuntimeError, match="VLLM_API_KEY is not set"):
        EngineGuard(lambda *args: None)  # type: ignore[arg-type, return-value]


async def test_the_guard_knows_for_how_long_nobody_was_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "k")
    going = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await going.wait()
        raise RuntimeError("the engine fails")

    guard = EngineGuard(app)

    async def call(method: str, path: str) -> dict[str, Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "headers": [(b"authorization", b"Bearer k")]}
        await guard(scope, asyncio.sleep, send)
        return dict(json.loads(sent[-1]["body"]))

    await asyncio.sleep(0.05)
    assert (await call("GET", "/atelier/load"))["quiet_seconds"] >= 0.05
    answering = [asyncio.create_task(call("POST", "/v1/chat/completions")) for _ in range(2)]
    await asyncio.sleep(0.05)
    assert await call("GET", "/atelier/load") == {"running": 2, "quiet_seconds": 0.0}
    going.set()
    await asyncio.gather(*answering, return_exceptions=True)
    load = await call("GET", "/atelier/load")
    assert load["running"] == 0
    assert load["quiet_seconds"] < 0.05
