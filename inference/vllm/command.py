"""The command line of vLLM: its arguments and its environment."""

import json
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# Imported by vLLM itself: alone in its folder, so that nothing else of ours can be taken for something of vLLM's.
GUARD_FOLDER, GUARD = Path(__file__).with_name("engine"), "atelier_guard.EngineGuard"
# The largest that a recipe allows. Room for it is not kept from the start, for room alone makes answers slower: on a
# CPU every adapter is computed as if it had the largest rank (docs/models.md).
MAX_RANK = 64
AT_ONCE_ON_CPU = 16
# The ranks that vLLM takes for --max-lora-rank.
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
# What a child may see of our environment. Neither keys nor the database's address are among it.
PASSED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_HOME",
    "NVIDIA_VISIBLE_DEVICES",
)


@dataclass(frozen=True)
class Spec:
    """What one server serves: a base under a name, adapters by name, and how.

    `key` is what requests must carry, one of its own for each process. `device` is "cpu" or "cuda"; `flags` are further
    arguments, which override Atelier's; `max_model_len` is in tokens; `kv_gib` is the memory for the cache on a CPU;
    `cache_dir` is where vLLM may store files of its own.
    """

    base_dir: Path
    served_name: str
    port: int
    adapters: Mapping[str, Path] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    max_lora_rank: int = 16
    max_loras: int = 4
    max_model_len: int = 2048
    max_num_seqs: int | None = None  # answers at once; None: 16 on a CPU, on a GPU what vLLM finds right for it
    device: str = "cpu"
    kv_gib: int = 1
    cache_dir: Path | None = None
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def url(self) -> str:
        """Return the base URL for clients."""
        return f"http://127.0.0.1:{self.port}/v1"


def command(spec: Spec) -> list[str]:
    """Return the argument list. The CPU wheel brings no `vllm` program, so the module is run."""
    argv = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    argv += ["--model", str(spec.base_dir), "--served-model-name", spec.served_name]
    argv += ["--host", "127.0.0.1", "--port", str(spec.port)]
    argv += ["--enable-lora", "--max-lora-rank", str(_rank(spec.max_lora_rank)), "--max-loras", str(spec.max_loras)]
    if spec.adapters:
        modules = [json.dumps({"name": name, "path": str(path)}) for name, path in spec.adapters.items()]
        argv += ["--lora-modules", *modules]
    argv += _unless(spec.flags, "--max-model-len", str(spec.max_model_len))
    at_once = spec.max_num_seqs or (AT_ONCE_ON_CPU if spec.device == "cpu" else None)
    if at_once is not None:
        argv += _unless(spec.flags, "--max-num-seqs", str(at_once))
    # The sampling asked for is what counts, and not what a model's folder adds to it.
    argv += _unless(spec.flags, "--generation-config", "vllm")
    argv += ["--disable-uvicorn-access-log", "--disable-fastapi-docs", "--middleware", GUARD]
    if spec.device == "cpu":
        # bfloat16 without units for it is 30 times slower. Compiling needs a C++ compiler and a minute, for little.
        argv += _unless(spec.flags, "--dtype", "float32")
        argv += ["--enforce-eager"]
    return argv + list(spec.flags)


def environment(spec: Spec, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of the child: little of Atelier's, nothing that leaves this machine, adapters changeable."""
    inherited = os.environ if inherited is None else inherited
    env = {name: inherited[name] for name in PASSED if name in inherited}
    env |= {
        # By the environment, for everybody on the machine sees a process's arguments.
        "VLLM_API_KEY": spec.key,
        "PYTHONPATH": str(GUARD_FOLDER),
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_DO_NOT_TRACK": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
        # Plugins are code of other packages; none is needed, and looking for them takes time.
        "VLLM_PLUGINS": "",
    }
    if spec.cache_dir is not None:
        env["VLLM_CACHE_ROOT"] = str(spec.cache_dir)
    return env | _for_processor(spec, inherited) if spec.device == "cpu" else env


def _for_processor(spec: Spec, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return settings for a CPU, each measured with a model of 135M parameters on two cores."""
    # A thread for each two logical processors: with all of them busy, every step waits for the slowest, and other
    # work on the machine slows the answers tenfold (28 tokens/s against 2.4).
    threads = (
        max(1, len(os.sched_getaffinity(0)) // 2) if sys.platform == "linux" else max(1, (os.cpu_count() or 2) // 2)
    )
    return {
        "VLLM_CPU_KVCACHE_SPACE": str(spec.kv_gib),
        "OMP_NUM_THREADS": inherited.get("OMP_NUM_THREADS", str(threads)),
        # One process less: the model then runs in vLLM's engine and not in a worker beside it (19 s to start, not 35).
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    }


def free_port() -> int:
    """Return a port that nobody listens on now. Another may take it before the server does: then the start fails, visibly."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _rank(needed: int) -> int:
    """The smallest rank vLLM takes that holds the needed one."""
    for rank in RANKS:
        if rank >= needed:
            return rank
    raise ValueError(f"vLLM serves adapters up to rank {RANKS[-1]}, not {needed}. Train with a smaller rank.")


def _unless(flags: tuple[str, ...], name: str, value: str) -> list[str]:
    given = any(flag == name or flag.startswith(name + "=") for flag in flags)
    return [] if given else [name, value]
