"""The recipe that fits a machine: what the machine is, and which choices to start from there.

Library ring: no Django, no torch.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.catalogue import CatalogueBase
from training.recipe.fields import Recipe

# Parameters below which a base takes higher rates and is never squeezed to 4 bits by itself: docs/training.md.
SMALL = 1_000_000_000


@dataclass(frozen=True)
class Device:
    """The device that a training would run on. Memory in GiB: of the GPU, or of the machine."""

    kind: str = "cpu"
    name: str = ""
    memory_gib: float = 0.0
    cores: int = 1
    bf16: bool = False

    @classmethod
    def detect(cls) -> "Device":
        """Detect the device with nvidia-smi and /proc; torch is not needed, nor is a GPU woken."""
        return _gpu() or _processor()


def _gpu() -> Device | None:
    if not shutil.which("nvidia-smi"):
        return None
    query = ["nvidia-smi", "--query-gpu=index,uuid,name,memory.total,compute_cap", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
        return gpu_of(done.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def gpu_of(listing: str, visible: str | None) -> Device | None:
    """Return the GPU that a training would use: the first that CUDA_VISIBLE_DEVICES names, else the first of all.

    `listing` is nvidia-smi's, with index, uuid, name, memory in MiB and compute capability. A GPU that shares the
    machine's memory has "[N/A]" for its own. None when no GPU is visible. Raises ValueError for another form.
    """
    rows = [[part.strip() for part in line.split(",")] for line in listing.splitlines() if line.strip()]
    if visible is not None:
        wanted = visible.split(",")[0].strip()
        rows = [row for row in rows if wanted == row[0] or (wanted and row[1].startswith(wanted))]
    if not rows:
        return None
    _, _, *name, memory, capability = rows[0]
    gib = float(memory) / 1024 if memory[:1].isdigit() else _memory_gib()
    # bfloat16 units came with Ampere, compute capability 8.0.
    return Device("cuda", ", ".join(name), round(gib, 1), bf16=float(capability) >= 8)


def _processor() -> Device:
    about = _proc("cpuinfo")
    name = next((line.partition(":")[2].strip() for line in about.splitlines() if line.startswith("model name")), "")
    flags = next((line.split() for line in about.splitlines() if line.startswith("flags")), [])
    cores = len(os.sched_getaffinity(0))
    return Device("cpu", name, round(_memory_gib(), 1), cores, bf16="avx512_bf16" in flags or "amx_bf16" in flags)


def _memory_gib() -> float:
    """Return the machine's memory, or the container's limit where that is lower."""
    total = next((line.split()[1] for line in _proc("meminfo").splitlines() if line.startswith("MemTotal")), "0")
    limits = [_read("/sys/fs/cgroup/memory.max"), _read("/sys/fs/cgroup/memory/memory.limit_in_bytes")]
    return min([int(total) / 2**20, *(int(limit) / 2**30 for limit in limits if limit.strip().isdigit())])


def _proc(name: str) -> str:
    return _read(f"/proc/{name}")


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def lora_gib(device: Device, base: CatalogueBase) -> float:
    """Return the memory that LoRA takes on this device. The catalogue's figure is for bfloat16; float32 takes 2 bytes more
    for each parameter."""
    in_bfloat16 = device.kind == "cuda" and device.bf16
    return base.lora_gib + (0 if in_bfloat16 else base.parameters * 2 / 2**30)


def needed_gib(device: Device, base: CatalogueBase) -> float:
    """Return the least memory that trains this base on this device."""
    return min(lora_gib(device, base), base.qlora_gib)


def fit(device: Device, base: CatalogueBase) -> Recipe:
    """Return the default recipe for this base on this machine.

    Small models take high rates; on a processor they stay in float32, since NF4 there is slow and costs a small model
    its quality. Rates and rank after the LoRA and QLoRA papers (arXiv 2106.09685, 2305.14314) and docs/training.md.
    """
    common: dict[str, Any] = {"base": base.slug, "targets": base.targets}
    small = base.parameters < SMALL
    method = "lora" if small or lora_gib(device, base) <= device.memory_gib else "qlora"
    if device.kind == "cuda":
        return Recipe(
            **common,
            method=method,
            precision="bfloat16" if device.bf16 else "float32",
            learning_rate=1e-3 if small else 1e-4,
            batch_size=8 if small else 2,
            accumulation=1 if small else 4,
            gradient_checkpointing=not small,
            max_length=min(base.context, 4096),
        )
    return Recipe(
        **common,
        method=method,
        fast_matmul=device.bf16,
        learning_rate=1e-3 if small else 2e-4,
        warmup=0.0 if small else 0.03,
        gradient_checkpointing=not small,
        max_length=min(base.context, 1024),
    )
