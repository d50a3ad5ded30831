"""Checkpoints that survive a kill at any moment, in safetensors and JSON only.

A checkpoint is written to a draft folder, gets a manifest of hashes last, and then its name. Resuming takes the newest
one that verifies. transformers' own are written in place, hold pickles and are trusted unread.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from training import manifest

WEIGHTS = "adapter.safetensors"
OPTIMIZER = "optimizer.safetensors"
RANDOM = "random.safetensors"
STATE = "trainer_state.json"  # transformers' name: it reads this one itself.
COUNTS = "counts.json"  # Ours: tokens and seconds so far, the plan, the best validation, and the schedule's state.
Tensors = dict[str, torch.Tensor]


def save(
    folder: Path,
    step: int,
    model: Any,
    optimizer: Any,
    write_state: Callable[[str], None],
    counts: dict[str, Any],
    random: Tensors,
    keep: int,
) -> Path:
    """Write the checkpoint of `step` and delete all but the newest `keep`. Raises OSError, and then leaves no draft."""
    target = folder / f"step-{step:06d}"
    draft = folder / f".draft-{step:06d}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        save_file(trained(model), draft / WEIGHTS)
        tensors, rest = flatten(optimizer.state_dict())
        save_file(tensors, draft / OPTIMIZER)
        (draft / "optimizer.json").write_text(json.dumps(rest))
        save_file(random, draft / RANDOM)
        write_state(str(draft / STATE))
        (draft / COUNTS).write_text(json.dumps(counts))
        manifest.write(draft, step=step)
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
        manifest.sync(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    for old in found(folder)[keep:]:
        shutil.rmtree(old, ignore_errors=True)
    forget_others(folder)
    return target


def save_best(folder: Path, step: int, model: Any) -> None:
    """Keep the weights of the step with the lowest validation loss so far. Raises OSError, and then leaves no draft."""
    target, draft = best_of(folder, step), folder / f".draft-best-{step:06d}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        save_file(trained(model), draft / WEIGHTS)
        manifest.write(draft, step=step)
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
        manifest.sync(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def best_of(folder: Path, step: int) -> Path:
    """Return the folder of the weights that `save_best` keeps of a step."""
    return folder / f"best-{step:06d}"


def forget_others(folder: Path) -> None:
    """Delete the best weights that no checkpoint needs: each knows the best step up to its own. With a damaged one, none."""
    try:
        needed = {best_of(folder, best["step"]) for path in found(folder) if (best := counts(path).get("best"))}
    except (OSError, ValueError):
        return  # what that one knew is unknown, and an older one is no reason to end a training
    for old in set(folder.glob("best-*")) - needed:
        shutil.rmtree(old, ignore_errors=True)


def found(folder: Path) -> list[Path]:
    """Return every checkpoint's folder, the newest first, complete or not."""
    return sorted(folder.glob("step-*"), reverse=True)


def newest(folder: Path, tell: Callable[[str], None]) -> Path | None:
    """Return the newest checkpoint that verifies. A bad one is reported and moved to another name."""
    for draft in folder.glob(".draft-*"):
        shutil.rmtree(draft, ignore_errors=True)
    for path in found(folder):
        wrong = manifest.problem(path)
        if not wrong:
            return path
        tell(f"The checkpoint {path.name} is ignored: {wrong}. An older one is used if available.")
        shutil.rmtree(folder / f"bad-{path.name}", ignore_errors=True)
        path.rename(folder / f"bad-{path.name}")
    return None


def step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def counts(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((path / COUNTS).read_text())
    return found


def trained(model: Any) -> Tensors:
    """Return the trainable weights, by name."""
    return {name: p.detach().cpu().contiguous() for name, p in model.named_parameters() if p.requires_grad}


def load_weights(path: Path, model: Any) -> None:
    """Load a checkpoint's weights into the model. Raises ValueError if they are not the trainable ones."""
    stored = load_file(path / WEIGHTS)
    mine = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if stored.keys() != mine.keys():
        raise ValueError(
            f"the checkpoint {path.name} belongs to another recipe, because its layers differ from the adapted ones"
        )
    with torch.no_grad():
        for name, parameter in mine.items():
            parameter.copy_(stored[name])


def load_optimizer(path: Path, optimizer: Any) -> None:
    rest = json.loads((path / "optimizer.json").read_text())
    optimizer.load_state_dict(unflatten(load_file(path / OPTIMIZER), rest))


def flatten(state: dict[str, Any]) -> tuple[Tensors, dict[str, Any]]:
    """Return an optimizer's state as tensors by "index.key", and the rest as JSON."""
    tensors, values = {}, {}
    for index, entries in state["state"].items():
        for key, value in entries.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{index}.{key}"] = value.detach().cpu().contiguous()
            else:
                values[f"{index}.{key}"] = value
    return tensors, {"values": values, "groups": state["param_groups"]}


def unflatten(tensors: Tensors, rest: dict[str, Any]) -> dict[str, Any]:
    """Return an optimizer's state from `flatten`'s results, as its inverse."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**tensors, **rest["values"]}.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    groups = [{k: tuple(v) if k == "betas" else v for k, v in group.items()} for group in rest["groups"]]
    return {"state": state, "param_groups": groups}


def randomness() -> Tensors:
    """Return the states of torch's random generators (the only ones that training draws from)."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def load_randomness(path: Path) -> None:
    restore_randomness(load_file(path / RANDOM))


def restore_randomness(states: Tensors) -> None:
    """Put torch's random generators into the states of `randomness`."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
