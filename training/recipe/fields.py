"""All that decides a training besides the data: the recipe, each field with its limits in words.

Library ring: no Django, no torch. A form is made from `FIELDS`; the trainer reads the same JSON.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any


class RecipeError(ValueError):
    """An invalid recipe; `problems` maps a field's name to a sentence."""

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        super().__init__(" ".join(problems.values()))


def _field(default: Any, label: str, help: str, **limits: Any) -> Any:
    return field(default=default, metadata={"label": label, "help": help, **limits})


@dataclass(frozen=True)
class Recipe:
    """A flat set of hyperparameters; every field has its label, its help and its limits (`min`, `max`, `choices`)."""

    base: str = _field("smollm2-135m-instruct", "Base model", "The model to fine-tune, by its name in the catalogue.")
    method: str = _field(
        "lora",
        "Method",
        "LoRA keeps the base unchanged; QLoRA first quantises it to 4 bits (NF4), which needs a quarter of the memory.",
        choices={"lora": "LoRA", "qlora": "QLoRA (NF4)"},
    )
    device: str = _field(
        "auto",
        "Device",
        "Device to train on. Defaults to the GPU if there is one.",
        choices={"auto": "Best available", "cpu": "Processor", "cuda": "NVIDIA GPU"},
    )
    precision: str = _field(
        "float32",
        "Precision",
        "Number format of the computation. bfloat16 is right on a GPU and many times slower on most processors.",
        choices={"float32": "float32", "bfloat16": "bfloat16"},
    )
    fast_matmul: bool = _field(
        False,
        "Use bfloat16 matrix multiply",
        "On a processor with bfloat16 units, multiplies in bfloat16 and accumulates in float32. About 1.4 times as fast.",
    )
    system_prompt: str = _field(
        "",
        "System prompt",
        "Replaces the system message of every row. Use the same one when you chat with the tuned model. Leave empty to keep the rows' own.",
        max=20_000,
    )
    epochs: float = _field(3.0, "Epochs", "Number of passes over all rows.", min=0.01, max=100)
    max_steps: int = _field(
        0, "Max steps", "Ends the training after this many steps; 0 means no limit.", min=0, max=10**6
    )
    max_minutes: float = _field(
        0.0,
        "Max minutes",
        "Plans as many of the steps as fit into this many minutes, with the whole schedule of the learning rate; 0 means no limit.",
        min=0,
        max=10**5,
    )
    learning_rate: float = _field(2e-4, "Learning rate", "Peak learning rate.", min=1e-7, max=0.1)
    schedule: str = _field(
        "linear",
        "Learning rate schedule",
        "How the learning rate falls.",
        choices={"linear": "Linear to zero", "cosine": "Cosine to zero", "constant": "Constant"},
    )
    warmup: float = _field(
        0.03,
        "Warm-up",
        "Number of steps in which the learning rate rises; below 1 a share of all steps.",
        min=0,
        max=10_000,
    )
    batch_size: int = _field(4, "Batch size", "Rows per device and step; more need more memory.", min=1, max=512)
    accumulation: int = _field(
        1, "Gradient accumulation", "Batches accumulated into one optimizer step.", min=1, max=1024
    )
    max_length: int = _field(2048, "Max sequence length", "Number of tokens.", min=16, max=131_072)
    too_long: str = _field(
        "refuse",
        "Rows that are too long",
        "A row above the limit either stops the training before it starts, or is skipped and counted.",
        choices={"refuse": "Stop and list them", "skip": "Skip them"},
    )
    rank: int = _field(16, "LoRA rank", "Capacity of the adapter. Serving allows at most 64.", min=1, max=64)
    alpha: int = _field(32, "LoRA alpha", "Scaling of the adapter; twice the rank is usual.", min=1, max=512)
    dropout: float = _field(
        0.0, "LoRA dropout", "Share of adapter inputs dropped at random, against overfitting.", min=0, max=0.9
    )
    targets: str = _field(
        "all-linear",
        "Target modules",
        "all-linear, or names of modules separated by commas.",
        max=500,
    )
    weight_decay: float = _field(0.0, "Weight decay", "Decay of the adapter's weights towards zero.", min=0, max=1)
    max_grad_norm: float = _field(
        1.0, "Max gradient norm", "Gradients are clipped to this norm; 0 turns clipping off.", min=0, max=100
    )
    gradient_checkpointing: bool = _field(
        False,
        "Gradient checkpointing",
        "Recomputes activations, which saves more than half of the memory and costs about a third of the speed.",
    )
    eval_every: int = _field(
        0, "Validate every", "Steps between two validations; 0 validates after each epoch.", min=0, max=10**6
    )
    save_every: int = _field(
        0, "Save every", "Steps between two checkpoints; 0 saves after each epoch.", min=0, max=10**6
    )
    keep_best: bool = _field(
        True,
        "Keep the best adapter",
        "Keeps the adapter of the validation with the lowest loss. Otherwise the last step's.",
    )
    patience: int = _field(
        0,
        "Patience",
        "Ends the training after this many validations in a row without a lower loss; 0 never does.",
        min=0,
        max=1000,
    )
    keep_checkpoints: int = _field(2, "Checkpoints kept", "Number of newest checkpoints kept on disk.", min=1, max=100)
    seed: int = _field(17, "Seed", "The same seed on the same machine gives the same weights.", min=0, max=2**31 - 1)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """Return a checked recipe from JSON values, missing fields at their defaults. Raises RecipeError."""
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
        """Return a checked recipe from a JSON text. Raises RecipeError."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise RecipeError({"": f"The recipe is not JSON: {error}."}) from error
        if not isinstance(values, dict):
            raise RecipeError({"": "The recipe must be one JSON object."})
        return cls.from_dict(values)

    def replace(self, **changes: Any) -> "Recipe":
        """Return a checked copy with some fields changed. Raises RecipeError."""
        return Recipe.from_dict(self.to_dict() | changes)


FIELDS: dict[str, dataclasses.Field[Any]] = {item.name: item for item in dataclasses.fields(Recipe)}


def _read(item: dataclasses.Field[Any], value: Any) -> tuple[Any, str]:
    """Return the value in the field's type, and a sentence if it is invalid or outside the limits."""
    label, limits = item.metadata["label"], item.metadata
    if item.type is bool:
        return value, "" if isinstance(value, bool) else f"{label} must be true or false, not {value!r}."
    if item.type is str:
        return value, _text_problem(label, limits, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value, f"{label} must be a number, not {value!r}."
    if (
        not limits["min"] <= value <= limits["max"]
    ):  # first: infinity and NaN are no whole numbers, and cannot be made one
        return value, f"{label} must be between {limits['min']:g} and {limits['max']:g}, not {value!r:.40}."
    if item.type is int and value != int(value):
        return value, f"{label} must be a whole number, not {value!r}."
    return (int(value) if item.type is int else float(value)), ""


def _text_problem(label: str, limits: Any, value: Any) -> str:
    if not isinstance(value, str):
        return f"{label} must be text, not {value!r}."
    if "choices" in limits and value not in limits["choices"]:
        return f"{label} must be one of {', '.join(limits['choices'])}, not {value!r}."
    if len(value) > limits.get("max", 500):
        return f"{label} can have {limits.get('max', 500)} characters, not {len(value)}."
    return ""


def _together(values: dict[str, Any]) -> dict[str, str]:
    """Return problems of fields that do not go together."""
    if not values.get("targets", "x").strip():
        return {"targets": "Target modules must name at least one module, or all-linear."}
    named = {name.strip().rpartition(".")[2] for name in values.get("targets", "").split(",")}
    if ends := sorted(named & {"lm_head", "embed_tokens"}):
        return {
            "targets": f"Target modules can't include {' or '.join(ends)}: the loss on a GPU is computed past an adapter of it, so it would learn nothing. Remove it."
        }
    return {}
