"""Where things are: docs/where.md, written from the tree and the first line of each module.

`python -m tests.rooms` writes it again; a test fails while it is not what this would write.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "where.md"
APPS = ("atelier", "curation", "training", "inference", "atelier_client")
HEAD = """# Where things are

Every noun has one room and one name: the domain in `curation/<noun>/` (or `training/`, `inference/`), its rows in `models/<noun>.py`, its pages in
`views/<noun>`, its forms in `forms/<noun>.py`, its calls in `api/<noun>.py`, its templates in `templates/<app>/<noun>/`, its tests in
`tests/<app>/<noun>/`. Each app's `urls.py` is its table of contents.

| Noun | Room |
|---|---|
| datasets, records, search, quality, charts, imports, exports, annotation, bulk, distillation, versions | `curation/` |
| bases, runs, recipes, the trainer | `training/` |
| endpoints, deployments, comparisons, evaluations | `inference/` |
| teams, people, keys, jobs, webhooks, audit, deletions, processes | `atelier/` |

Imports run one way: `inference` > `training` > `curation` > `atelier`, and within an app down the layers that `pyproject.toml` lists.
This page is written by `python -m tests.rooms` from the first sentence of each module; a test keeps it true.
"""


def modules() -> list[Path]:
    """Return every module with something in it, but migrations, in the order of the tree."""
    found = [path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]
    return sorted(path for path in found if path.stat().st_size)


def sentence(path: Path) -> str:
    """Return the first sentence of the module's docstring; nothing when it has none."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    first = re.split(r"(?<=\.)\s", " ".join(text.split()), maxsplit=1)[0]
    return first.rstrip(".:")


def lines() -> list[str]:
    """Return the page's lines below its head: a heading per folder, a line per module."""
    out, folder = [], None
    for path in sorted(modules(), key=lambda path: (path.parent.relative_to(ROOT).as_posix(), path.name)):
        if path.parent != folder:
            folder = path.parent
            out += ["", f"## {folder.relative_to(ROOT).as_posix()}/", ""]
        out.append(f"- `{path.name}`: {sentence(path)}" if sentence(path) else f"- `{path.name}`")
    return out


def page() -> str:
    return HEAD + "\n".join(lines()) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
