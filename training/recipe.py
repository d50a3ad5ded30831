"""All that decides a training besides the data: the recipe, its limits in words, and the one that fits a machine.

Library ring: no Django, no torch. A form is made from `FIELDS`; the trainer reads the same JSON.
"""

import dataclasses
import json
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.catalogue import Base

# Parameters below which a base takes higher rates and is never squeezed to 4 bits by itself: docs/training.md.
SMALL = 1_000_000_000


class RecipeError(ValueError):
    """A recipe cannot be used; `problems` maps a field's name to a sentence."""

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        super().__init__(" ".join(problems.values()))


def _field(default: Any, label: str, help: str, **limits: Any) -> Any:
    return field(default=default, metadata={"label": label, "help": help, **limits})


@dataclass(frozen=True)
class Recipe:
    """One flat set of choices; every field knows its label, its help and its limits (`min`, `max`, `choices`)."""

    base: str = _field("smollm2-135m-instruct", "Base model", "The model that learns, by its name in the catalogue.")
    method: str = _field(
        "lora",
        "Method",
        "LoRA keeps the base as it is; QLoRA squeezes it to 4 bits (NF4) first, which needs a quarter of the memory.",
        choices={"lora": "LoRA", "qlora": "QLoRA (NF4)"},
    )
    device: str = _field(
        "auto",
        "Device",
        "Where to train. By default on the GPU if there is one.",
        choices={"auto": "The best there is", "cpu": "Processor", "cuda": "NVIDIA GPU"},
    )
    precision: str = _field(
        "float32",
        "Precision",
        "What is computed in. bfloat16 is right on a GPU and many times slower on most processors.",
        choices={"float32": "float32", "bfloat16": "bfloat16"},
    )
    fast_matmul: bool = _field(
        False,
        "Fast products",
        "On a processor with bfloat16 units: multiply in bfloat16, add and keep in float32. About 1.4 times as fast.",
    )
    system_prompt: str = _field(
        "",
        "System prompt",
        "Stands in for the system message of every row; use the same when you talk to the result. Empty: rows stay.",
        max=20_000,
    )
    epochs: float = _field(3.0, "Epochs", "How many times every row is seen.", min=0.01, max=100)
    max_steps: int = _field(
        0, "Steps at most", "Ends the training after so many steps; 0 goes by epochs.", min=0, max=10**6
    )
    max_minutes: float = _field(
        0.0,
        "Minutes at most",
        "Ends the training after so long and keeps what it learned; 0 lets it finish.",
        min=0,
        max=10**5,
    )
    learning_rate: float = _field(2e-4, "Learning rate", "The size of the first steps.", min=1e-7, max=0.1)
    schedule: str = _field(
        "linear",
        "Schedule",
        "How the learning rate falls.",
        choices={"linear": "Linear to zero", "cosine": "Cosine to zero", "constant": "Does not fall"},
    )
    warmup: float = _field(
        0.03, "Warm-up", "Steps in which the rate rises; below 1 it is a share of all steps.", min=0, max=10_000
    )
    batch_size: int = _field(4, "Batch", "Rows that are computed together; more need more memory.", min=1, max=512)
    accumulation: int = _field(1, "Accumulation", "Batches gathered into one step.", min=1, max=1024)
    max_length: int = _field(2048, "Longest row", "In tokens.", min=16, max=131_072)
    too_long: str = _field(
        "refuse",
        "Rows that are too long",
        "Whether a row above the limit stops the training before it starts, or is left out and counted.",
        choices={"refuse": "Stop and name them", "skip": "Leave them out"},
    )
    rank: int = _field(16, "LoRA rank", "Room for what is learned. Serving allows 64 at most.", min=1, max=64)
    alpha: int = _field(32, "LoRA alpha", "Strength of what is learned; twice the rank is usual.", min=1, max=512)
    dropout: float = _field(
        0.0, "LoRA dropout", "Share of inputs left out at random against learning by heart.", min=0, max=0.9
    )
    targets: str = _field(
        "all-linear",
        "Adapted layers",
        "all-linear, or the names of the layers with commas between them.",
        max=500,
    )
    weight_decay: float = _field(0.0, "Weight decay", "Pull of every weight towards zero.", min=0, max=1)
    max_grad_norm: float = _field(
        1.0, "Gradient limit", "Longer gradients are shortened to this; 0 leaves them.", min=0, max=100
    )
    gradient_checkpointing: bool = _field(
        False, "Recompute activations", "Saves more than half of the memory and costs about a third of the speed."
    )
    eval_every: int = _field(
        0, "Validate every", "Steps between two looks at the validation rows; 0: each epoch.", min=0, max=10**6
    )
    save_every: int = _field(0, "Save every", "Steps between two checkpoints; 0: each epoch.", min=0, max=10**6)
    keep_checkpoints: int = _field(2, "Checkpoints kept", "The newest so many stay on disk.", min=1, max=100)
    seed: int = _field(17, "Seed", "The same seed on the same machine gives the same weights.", min=0, max=2**31 - 1)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """A checked recipe from JSON values, missing fields at their defaults. Raises RecipeError."""
        problems = {name: f"A recipe has no field {name}." for name in values if name not in FIELDS}
        known = {}
        for name, value in values.items():
            if name in FIELDS:
                known[name], sentence = _read(FIELDS[name], value)
                if sentence:
                    problems[name] = sentence
        problems |= _together(known)
        if problems:
            raise RecipeError(problems)
        return cls(**known)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Raises RecipeError."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise RecipeError({"": f"The recipe is not JSON: {error}."}) from error
        if not isinstance(values, dict):
            raise RecipeError({"": "The recipe must be one JSON object."})
        return cls.from_dict(values)

    def replace(self, **changes: Any) -> "Recipe":
        """A checked copy with some fields changed. Raises RecipeError."""
        return Recipe.from_dict(self.to_dict() | changes)


FIELDS: dict[str, dataclasses.Field[Any]] = {item.name: item for item in dataclasses.fields(Recipe)}


def _read(item: dataclasses.Field[Any], value: Any) -> tuple[Any, str]:
    """The value in the field's type, and a sentence if it is none or outside the limits."""
    label, limits = item.metadata["label"], item.metadata
    if item.type is bool:
        return value, "" if isinstance(value, bool) else f"{label} must be true or false, not {value!r}."
    if item.type is str:
        return value, _text_problem(label, limits, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value, f"{label} must be a number, not {value!r}."
    if item.type is int and value != int(value):
        return value, f"{label} must be a whole number, not {value!r}."
    if not limits["min"] <= value <= limits["max"]:
        return value, f"{label} must lie between {limits['min']:g} and {limits['max']:g}, not {value:g}."
    return (int(value) if item.type is int else float(value)), ""


def _text_problem(label: str, limits: Any, value: Any) -> str:
    if not isinstance(value, str):
        return f"{label} must be text, not {value!r}."
    if "choices" in limits and value not in limits["choices"]:
        return f"{label} must be one of {', '.join(limits['choices'])}, not {value!r}."
    if len(value) > limits.get("max", 500):
        return f"{label} may have {limits.get('max', 500)} characters, not {len(value)}."
    return ""


def _together(values: dict[str, Any]) -> dict[str, str]:
    """Problems of fields that do not go with each other."""
    if not values.get("targets", "x").strip():
        return {"targets": "Adapted layers must name at least one layer, or all-linear."}
    return {}


@dataclass(frozen=True)
class Device:
    """What a training would run on. Memory in GiB: of the GPU, or of the machine."""

    kind: str = "cpu"
    name: str = ""
    memory_gib: float = 0.0
    cores: int = 1
    bf16: bool = False

    @classmethod
    def detect(cls) -> "Device":
        """Look with nvidia-smi and /proc; torch is not needed, nor is a GPU woken."""
        return _gpu() or _processor()


def _gpu() -> Device | None:
    if not shutil.which("nvidia-smi"):
        return None
    query = ["nvidia-smi", "--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
        name, memory, capability = (part.strip() for part in done.stdout.splitlines()[0].rsplit(",", 2))
        # bfloat16 units came with Ampere, compute capability 8.0.
        return Device("cuda", name, round(float(memory) / 1024, 1), bf16=float(capability) >= 8)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def _processor() -> Device:
    import os

    about = _proc("cpuinfo")
    name = next((line.partition(":")[2].strip() for line in about.splitlines() if line.startswith("model name")), "")
    flags = next((line.split() for line in about.splitlines() if line.startswith("flags")), [])
    total = next((line.split()[1] for line in _proc("meminfo").splitlines() if line.startswith("MemTotal")), "0")
    cores = len(os.sched_getaffinity(0))
    return Device("cpu", name, round(int(total) / 2**20, 1), cores, bf16="avx512_bf16" in flags or "amx_bf16" in flags)


def _proc(name: str) -> str:
    try:
        return Path("/proc", name).read_text()
    except OSError:
        return ""


def fit(device: Device, base: Base) -> Recipe:
    """The recipe to start from for this base on this machine.

    Small models take high rates; on a processor they stay in float32, since NF4 there is slow and costs a small model
    its quality. Rates and rank after the LoRA and QLoRA papers (arXiv 2106.09685, 2305.14314) and docs/training.md.
    """
    common: dict[str, Any] = {"base": base.slug, "targets": base.targets}
    if device.kind == "cuda":
        small = base.parameters < SMALL
        return Recipe(
            **common,
            method="lora" if small or base.lora_gib <= device.memory_gib else "qlora",
            precision="bfloat16" if device.bf16 else "float32",
            learning_rate=1e-3 if small else 1e-4,
            batch_size=8 if small else 2,
            accumulation=1 if small else 4,
            gradient_checkpointing=not small,
            max_length=min(base.context, 4096),
        )
    return Recipe(
        **common,
        fast_matmul=device.bf16,
        learning_rate=1e-3 if base.parameters < SMALL else 2e-4,
        warmup=0.0 if base.parameters < SMALL else 0.03,
        gradient_checkpointing=base.parameters >= SMALL,
        max_length=min(base.context, 1024),
    )
