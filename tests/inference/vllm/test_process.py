"""vLLM as a child process: its command and environment, what its log says, and that it never outlives us."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from curation.chat import Sampling
from inference.clients import open_client
from inference.vllm import Server, ServerError, Spec, command, environment, free_port
from inference.vllm import process as server_module
from inference.vllm.log import last_words, why_it_failed
from tests.fakes.loopback import EVERY_PORT
from tests.inference.vllm.test_engine_guard import CHAT, ROUTES, asked
from tests.speed import patient

ROOT = Path(__file__).parents[3]

# Stands for vLLM: a process with a child of its own that ignores SIGTERM, and an address that answers.
STAND_IN = """
import http.server, json, signal, subprocess, sys, time
deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", deaf])
print(f"INFO 11-21 06:24:11 [model.py:1] Child is {child.pid}", flush=True)
names = ["base"]
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, code, body):
        self.send_response(code); self.end_headers(); self.wfile.write(json.dumps(body).encode())
    def do_GET(self):
        self.answer(200, {"data": [{"id": name} for name in names]})
    def do_POST(self):
        name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["lora_name"]
        if self.path.startswith("/v1/load"):
            if name in names:
                return self.answer(400, {"error": {"message": f"{name} has already been loaded."}})
            names.append(name)
        else:
            names.remove(name)
        self.answer(200, {})
    def log_message(self, *words): pass
time.sleep(0.5)
http.server.HTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
"""


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return Spec(base_dir=tmp_path / "base", served_name="base", port=free_port())


def stand_in(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(
        server_module, "command", lambda spec: [sys.executable, "-c", code.replace("PORT", str(spec.port))]
    )


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def gone(pid: int, seconds: float = 5) -> bool:
    deadline = time.monotonic() + patient(seconds)
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def is_empty(group: int, seconds: float = 5) -> bool:
    """Return whether nobody is in a process group any more, soon: what was killed counts until it is reaped."""
    deadline = time.monotonic() + patient(seconds)
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def child_of(log: Path) -> int:
    return int(log.read_text().split("Child is ")[1].split()[0])


def test_a_cpu_writes_16_answers_at_once_and_a_gpu_as_many_as_vllm_takes(tmp_path: Path) -> None:
    def at_once(**more: Any) -> str | None:
        argv = command(Spec(base_dir=tmp_path, served_name="base", port=1, **more))
        return argv[argv.index("--max-num-seqs") + 1] if "--max-num-seqs" in argv else None

    assert at_once(device="cpu") == "16"
    assert at_once(device="cuda") is None
    assert at_once(device="cuda", max_num_seqs=64) == "64"
    assert at_once(device="cpu", flags=("--max-num-seqs", "4")) == "4"


def test_the_command_binds_to_this_machine_and_names_adapters(tmp_path: Path) -> None:
    argv = command(Spec(tmp_path, "smol", 8001, {"tuned": tmp_path / "adapter"}, max_lora_rank=20))
    assert argv[:3] == [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    assert argv[argv.index("--host") + 1] == "127.0.0.1"
    assert argv[argv.index("--max-lora-rank") + 1] == "32"
    assert json.loads(argv[argv.index("--lora-modules") + 1]) == {"name": "tuned", "path": str(tmp_path / "adapter")}


def test_the_key_is_drawn_for_each_process_and_is_no_argument(tmp_path: Path) -> None:
    first, second = Spec(tmp_path, "smol", 8001), Spec(tmp_path, "smol", 8001)
    assert first.key != second.key
    assert len(first.key) >= 40
    assert first.key not in " ".join(command(first)) + repr(first)
    assert environment(first, {})["VLLM_API_KEY"] == first.key
    assert not [name for name in environment(first, {"VLLM_SERVER_DEV_MODE": "1"}) if "DEV_MODE" in name]


def test_a_processor_gets_float32_and_a_gpu_its_own_choice(tmp_path: Path) -> None:
    assert "float32" in command(Spec(tmp_path, "smol", 8001))
    assert "float32" not in command(Spec(tmp_path, "smol", 8001, device="cuda"))


def test_given_flags_win_over_ours(tmp_path: Path) -> None:
    argv = command(Spec(tmp_path, "smol", 8001, flags=("--max-model-len", "8192", "--dtype=bfloat16")))
    assert argv.count("--max-model-len") == 1
    assert argv[argv.index("--max-model-len") + 1] == "8192"
    assert "float32" not in argv


def test_a_rank_beyond_what_can_be_served_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="up to rank 512, not 600"):
        command(Spec(tmp_path, "smol", 8001, max_lora_rank=600))


def test_the_child_sees_no_secrets_and_calls_nobody(spec: Spec) -> None:
    ours = {
        "PATH": "/bin",
        "DATABASE_URL": "postgres://u:p@h/d",
        "SECRET_KEY": "s",
        "MISTRAL_API_KEY": "k",
        "REDIS_URL": "r",
    }
    env = environment(spec, ours)
    assert env["PATH"] == "/bin"
    assert not {"DATABASE_URL", "SECRET_KEY", "MISTRAL_API_KEY", "REDIS_URL"} & env.keys()
    assert env["VLLM_NO_USAGE_STATS"] == env["HF_HUB_OFFLINE"] == env["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"


def test_a_server_starts_takes_adapters_and_stops_with_its_children(
    spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, STAND_IN)
    server = Server(spec, tmp_path / "log" / "vllm.log")
    assert server.health().state == "stopped"
    server.start()
    assert server.health().state == "starting"
    server.wait_ready(10)
    assert "Child is" in last_words(server.log_path)
    server.load_adapter("tuned", tmp_path)
    assert server.models() == ["base", "tuned"]
    with pytest.raises(ServerError, match="tuned has already been loaded"):
        server.load_adapter("tuned", tmp_path)
    server.unload_adapter("tuned")
    assert server.models() == ["base"]
    pid, child = server.pid, child_of(server.log_path)
    started = time.monotonic()
    server.stop(4)
    assert time.monotonic() - started < patient(5)
    assert pid is not None
    assert gone(pid)
    assert gone(child)
    assert server.health().state == "stopped"


def test_a_server_that_dies_tells_why(spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "raise ValueError('The checkpoint has no config.json')")
    server = Server(spec, tmp_path / "vllm.log")
    server.start()
    with pytest.raises(ServerError, match=r"ValueError: The checkpoint has no config\.json"):
        server.wait_ready(10)
    assert server.health().state == "failed"


def test_a_server_dies_with_its_parent_even_when_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(log=tmp_path / "vllm.log")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert alive(child)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert gone(child)


PARENT = """
import sys, time
from pathlib import Path
from inference.vllm import Server, Spec
from inference.vllm import process as module
module.command = lambda spec: [sys.executable, "-c", "import time; time.sleep(60)"]
server = Server(Spec(Path("."), "base", 1), Path(r"{log}"))
server.start()
time.sleep(0.5)
print(server.pid, flush=True)
time.sleep(60)
"""

LOG = """(APIServer pid=5145) INFO 11-21 06:24:11 [model.py:733] Resolved architecture: LlamaForCausalLM
(EngineCore pid=5351) ERROR 11-21 06:24:33 [core.py:1] EngineCore failed to start.
(EngineCore pid=5351) ERROR 11-21 06:24:33 [core.py:1] Traceback (most recent call last):
(EngineCore pid=5351) ERROR 11-21 06:24:33 [core.py:1]   File "x.py", line 1, in f
(EngineCore pid=5351) ERROR 11-21 06:24:33 [core.py:1] ValueError: To serve one request, 4 GiB KV cache is needed.
(APIServer pid=5145) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""


def test_the_cause_is_found_and_not_its_echo(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOG)
    assert why_it_failed(tmp_path / "log") == "ValueError: To serve one request, 4 GiB KV cache is needed."


def test_last_words_skip_banners_and_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(
        LOG.splitlines()[0] + "\n(APIServer pid=1) INFO 11-21 06:24:11 [a.py:1]   ▄▄ ▄█ █\n\n"
    )
    assert last_words(tmp_path / "log") == "Resolved architecture: LlamaForCausalLM"
    assert last_words(tmp_path / "missing") == ""


@pytest.mark.slow
def test_vllm_itself_serves_a_base_loads_and_unloads_an_adapter_and_stops(tmp_path: Path) -> None:
    base, first, second = tiny_llama(tmp_path)
    server = Server(Spec(base, "tiny", free_port(), {"first": first}, cache_dir=tmp_path / "cache"), tmp_path / "log")
    server.start()
    try:
        server.wait_ready(240)
        server.load_adapter("second", second)
        assert server.models() == ["tiny", "first", "second"]
        answers = {name: asyncio.run(greedy(server.spec, name)) for name in server.models()}
        assert len(set(answers.values())) == 3
        server.unload_adapter("second")
        assert server.models() == ["tiny", "first"]
        assert {route: asked(server.spec, *route) for route in ROUTES} == ROUTES
        assert 0 < server.quiet_seconds() < 60
        refused = asked(server.spec, "POST", "/v1/chat/completions", key="", body=CHAT)
        assert asked(server.spec, "POST", "/v1/chat/completions", key=server.spec.key, body=CHAT) == 200
        assert (refused, server.spec.key in server.log_path.read_text()) == (401, False)
        assert server.spec.key not in Path(f"/proc/{server.pid}/cmdline").read_text()
        with pytest.raises(ServerError, match="third failed: No adapter found"):
            server.load_adapter("third", tmp_path / "missing")
        assert server.health().state == "ready"
    finally:
        group = server.pid
        server.stop()
    assert group is not None
    assert is_empty(group)


@pytest.mark.slow
def test_vllm_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    server = Server(Spec(tmp_path / "base", "tiny", free_port(), cache_dir=tmp_path), tmp_path / "log" / "vllm.log")
    server.start()
    with pytest.raises(ServerError, match=r"Invalid repository ID or local directory"):
        server.wait_ready(120)


async def greedy(spec: Spec, model: str) -> str:
    async with open_client("openai", url=spec.url, model=model, key=spec.key, private_hosts=EVERY_PORT) as client:
        answer = await client.complete([{"role": "user", "content": "a b c"}], Sampling(temperature=0, max_tokens=12))
    return answer.text


def tiny_llama(folder: Path) -> tuple[Path, Path, Path]:
    """Build a random Llama with a tokenizer of 300 words, and two random adapters, in a process of its own."""
    subprocess.run([sys.executable, "-c", TINY, str(folder)], check=True, timeout=120)
    return folder / "base", folder / "first", folder / "second"


TINY = """
import sys
from pathlib import Path
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

folder = Path(sys.argv[1])
words = ["<unk>", "<s>", "</s>", *"abcdefghijklmnopqrstuvwxyz", *(f"w{i}" for i in range(271))]
tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
fast.chat_template = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
fast.save_pretrained(folder / "base")
torch.manual_seed(1)
LlamaForCausalLM(LlamaConfig(
    vocab_size=300, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=2, max_position_embeddings=2048, bos_token_id=1, eos_token_id=2,
)).save_pretrained(folder / "base")
for name in ("first", "second"):
    model = LlamaForCausalLM.from_pretrained(folder / "base")
    model = get_peft_model(model, LoraConfig(r=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    for parameter_name, parameter in model.named_parameters():
        if "lora_" in parameter_name:
            torch.nn.init.normal_(parameter, std=1.0)
    model.save_pretrained(folder / name)
"""
