"""Adapters: the weights of runs, as rows that can be served."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from atelier.jobs.claims import JobFailed
from training import catalogue, manifest
from training.models import Adapter, Run


def inspect(run: Run) -> dict[str, Any]:
    """Return the fields of the adapter's row, read from the run's files. Raises JobFailed when they are incomplete."""
    folder = run.folder / "adapter"
    if wrong := manifest.problem(folder):
        raise JobFailed(f"The training ended, but its adapter cannot be used: {wrong}. See the log, then retry.")
    return {
        "project": run.project,
        "base": run.base,
        "folder": os.path.relpath(folder, settings.DATA_DIR),
        "digest": digest(folder),
        "rank": int(run.recipe["rank"]),
        "system_prompt": system_prompt(run),
    }


def adopt(run: Run, facts: dict[str, Any]) -> Adapter:
    """Return the run's adapter, its row created on the first call. Raises JobFailed when its name is taken."""
    for suffix in ("", f" (run {run.pk})"):
        try:
            with transaction.atomic():
                adapter, _ = Adapter.objects.update_or_create(
                    run=run, defaults=facts, create_defaults={**facts, "name": name(run) + suffix}
                )
                return adapter
        except IntegrityError:
            continue  # a project may have runs of another's name
    raise JobFailed(f"Another adapter is already called {name(run)}. Start a new run with another name.")


def name(run: Run) -> str:
    """Return the adapter's name, as people see it beside its base: "SmolLM2-135M-Instruct, run 3"."""
    title = catalogue.get(run.base).title
    return f"{title}, run {run.number}" + (f": {run.name}" if run.name else "")[: 115 - len(title) - 20]


def digest(folder: Path) -> str:
    """Return the SHA-256 over the names and hashes of the files, so that other content has another digest."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != manifest.NAME:
            total.update(f"{path.relative_to(folder)} {manifest.sha256(path)}\n".encode())
    return total.hexdigest()


def problem(adapter: Adapter) -> str:
    """Return why an adapter cannot be served, as a sentence, or "" when its files are what the run left."""
    if not (adapter.path / "adapter_config.json").is_file():
        return f"The files of {adapter} are missing. Train again, or restore {adapter.folder} from a backup."
    if digest(adapter.path) != adapter.digest:
        return f"The files of {adapter} differ from those that its run left. Restore {adapter.folder} from a backup."
    return ""


def system_prompt(run: Run) -> str:
    """Return the system prompt of the training: the recipe's, else the system message of the first row."""
    if run.recipe.get("system_prompt"):
        return str(run.recipe["system_prompt"])
    with (run.folder / "train.jsonl").open("rb") as rows:
        first = json.loads(rows.readline() or b"{}").get("messages") or [{}]
    content = first[0].get("content") if first[0].get("role") == "system" else ""
    return content if isinstance(content, str) else ""
