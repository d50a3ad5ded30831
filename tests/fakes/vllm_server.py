"""Stands in for vLLM: its health, models and adapter calls over HTTP, as a process of its own.

    python -m tests.fakes.vllm_server --port N --model DIR --served-model-name NAME [--max-lora-rank N]

A folder beside the model's directs it: `control/slow` (seconds before it listens), `control/fail` (its last words, then
exit code 1), `control/say` (a line of its log), `control/busy` (somebody is being answered), `control/refuse` (names of adapters that it refuses). A file appears in `control/` for each start.
"""

import argparse
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--model", required=True)
parser.add_argument("--served-model-name", required=True)
parser.add_argument("--max-lora-rank", type=int, default=16)
given, _ = parser.parse_known_args()
control = Path(given.model).parent / "control"
names = [given.served_model_name]
KEY = os.environ["VLLM_API_KEY"]


class Handler(BaseHTTPRequestHandler):
    def has_key(self) -> bool:
        """Check the key as vLLM behind its guard: nothing without it."""
        if self.headers["Authorization"] == f"Bearer {KEY}":
            return True
        self.answer(401, {"error": {"message": "This engine answers only Atelier."}})
        return False

    def do_GET(self) -> None:
        if not self.has_key():
            return
        if self.path == "/health":
            self.answer(200, {})
        elif self.path == "/atelier/load":
            self.answer(200, {"running": 0, "quiet_seconds": 0.0 if (control / "busy").exists() else 60.0})
        elif self.path == "/v1/models":
            self.answer(200, {"data": [{"id": name} for name in names]})
        else:
            self.answer(404, {"error": {"message": "no such path"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.has_key():
            return
        if self.path == "/v1/chat/completions":
            self.chat(body)
            return
        name = body["lora_name"]
        refused = (control / "refuse").read_text().split() if (control / "refuse").exists() else []
        if self.path == "/v1/load_lora_adapter" and name in refused:
            self.answer(
                400, {"error": {"message": f"LoRA rank of {name} is greater than max_lora_rank {given.max_lora_rank}"}}
            )
        elif self.path == "/v1/load_lora_adapter":
            names.append(name)
            self.answer(200, {})
        elif self.path == "/v1/unload_lora_adapter" and name in names:
            names.remove(name)
            self.answer(200, {})
        else:
            self.answer(404, {"error": {"message": f"{name} is not loaded"}})

    def chat(self, body: dict) -> None:
        if body["model"] not in names:
            self.answer(404, {"error": {"message": f"The model {body['model']} does not exist."}})
            return
        message = {"role": "assistant", "content": f"I am {body['model']}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        head = {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"]}
        self.answer(200, {**head, "choices": [choice]})

    def answer(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


if __name__ == "__main__":
    control.mkdir(exist_ok=True)
    (control / f"start-{os.getpid()}").write_text(json.dumps({"rank": given.max_lora_rank, "env": dict(os.environ)}))
    if (control / "slow").exists():
        print("INFO 11-21 06:24:11 [loader.py:1] Loading the weights", flush=True)
        time.sleep(float((control / "slow").read_text()))
    if (control / "say").exists():
        print((control / "say").read_text(), flush=True)
    if (control / "fail").exists():
        sys.exit("RuntimeError: " + (control / "fail").read_text())
    ThreadingHTTPServer(("127.0.0.1", given.port), Handler).serve_forever()
