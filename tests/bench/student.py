"""The sample's student and its rows, for the benches that train and serve."""

import csv
import json
from pathlib import Path
from typing import Any

from tests.bench.workshop import ROOT, Options
from training import catalogue
from training.bases import store

SAMPLE = ROOT / "curation" / "sample"


def base(options: Options) -> Path:
    """Return the folder of SmolLM2-135M-Instruct, created if it is not there yet."""
    return store.ensure(options.home / "models", catalogue.get(store.STUDENT), print)


def prompt() -> str:
    return (SAMPLE / "student_prompt.txt").read_text(encoding="utf-8").strip()


def briefs() -> list[str]:
    with (SAMPLE / "briefs.csv").open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def conversations() -> list[dict[str, Any]]:
    """Return the sample's pairs as rows to train on."""
    rows = []
    for line in (SAMPLE / "answers.jsonl").read_text(encoding="utf-8").splitlines():
        pair = json.loads(line)
        said = (("system", prompt()), ("user", pair["prompt"]), ("assistant", pair["answer"]))
        rows.append({"id": pair["id"], "messages": [{"role": role, "content": text} for role, text in said]})
    return rows
