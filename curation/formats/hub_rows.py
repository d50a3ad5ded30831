"""`python -m curation.formats.hub_rows`: what standard input asks for, as JSON lines in a file; progress on standard output.

Asked for as {"name", "config", "split", "revision", "local", "out"}. Told as lines of JSON: {"reached"}, {"rows"},
{"problem"} or {"done", "notes"}. Only this process loads `datasets`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import orjson

from curation.formats.columnar import plain
from curation.formats.rows import LIMITS

EVERY = 2000
REACH = 12  # seconds for the hub's first answer


class Cannot(Exception):
    """The dataset cannot be read; the message is a sentence."""


def main() -> None:
    asked = json.load(sys.stdin)
    try:
        if not asked["local"]:
            reach(asked)
        tell(reached=True)
        rows, notes = write(_stored(asked) if asked["local"] else _streamed(asked), Path(asked["out"]))
    except Cannot as error:
        tell(problem=str(error))
    else:
        tell(done=rows, notes=notes)


def tell(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def reach(asked: dict[str, Any]) -> None:
    """Ask the hub whether it has the dataset: one short call, so that a missing network is known at once."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        HfApi().dataset_info(asked["name"], revision=asked["revision"] or None, timeout=REACH)
    except RevisionNotFoundError as error:
        raise Cannot(f"{asked['name']} has no revision {asked['revision']}.") from error
    except RepositoryNotFoundError as error:
        raise Cannot(f"The hub has no dataset {asked['name']}, or it is private.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "an error"
        raise Cannot(f"The hub answered {status} for {asked['name']}: try again later.") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreachable(error) from error
    except Exception as error:
        # The client of the hub has errors of its own for every way in which a connection fails.
        if type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore", "requests", "urllib3"):
            raise _unreachable(error) from error
        raise


def _unreachable(error: Exception) -> Cannot:
    return Cannot(
        f"The hub cannot be reached from this machine ({type(error).__name__}): check its network, or upload a file."
    )


def _streamed(asked: dict[str, Any]) -> Any:
    """The rows of a split, as the hub has them; its files must lie on the hub, not anywhere else."""
    from datasets import get_dataset_split_names, load_dataset, load_dataset_builder

    options = {"path": asked["name"], "name": asked["config"] or None, "revision": asked["revision"] or None}
    try:
        builder = load_dataset_builder(**options)
        for files in (builder.config.data_files or {}).values():
            if not all(str(file).startswith("hf://") for file in files):
                raise Cannot(f"{asked['name']} names files outside of the hub: download it, then upload it here.")
        split = asked["split"] or _first(
            list(builder.info.splits or get_dataset_split_names(asked["name"], asked["config"] or None))
        )
        return load_dataset(**options, split=split, streaming=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise Cannot(f"{asked['name']} cannot be read: {_line(error)}") from error


def _stored(asked: dict[str, Any]) -> Any:
    """A dataset in a folder: as `save_to_disk` leaves it, or files that `load_dataset` understands."""
    from datasets import DatasetDict, load_dataset, load_from_disk

    folder = Path(asked["local"])
    try:
        if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
            loaded = load_from_disk(str(folder))
            if not isinstance(loaded, DatasetDict):
                return loaded
        else:
            loaded = load_dataset(str(folder), name=asked["config"] or None, streaming=True)
        split = asked["split"] or _first(list(loaded))
        if split not in loaded:
            raise Cannot(f"{folder.name} has no split {split}: it has {', '.join(map(str, loaded))}.")
        return loaded[split]
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise Cannot(f"{folder.name} cannot be read: {_line(error)}") from error


def _first(splits: list[str]) -> str:
    return "train" if "train" in splits or not splits else splits[0]


def write(rows: Any, out: Path) -> tuple[int, list[str]]:
    """Write every row; a column that JSON cannot hold (pictures, sound) is left out and named."""
    left: set[str] = set()
    size = number = 0
    # Pictures and sound stay as their bytes: nothing here would decode them.
    rows = rows.decode(False) if hasattr(rows, "decode") else rows
    with out.open("wb") as file:
        for number, row in enumerate(rows, 1):
            size += file.write(orjson.dumps(_row(row, left), option=orjson.OPT_APPEND_NEWLINE))
            if size > LIMITS.unpacked:
                raise Cannot(f"The split is larger than the {LIMITS.unpacked >> 30} GB that may be imported.")
            if number % EVERY == 0:
                tell(rows=number)
    notes = [f"Left out, for JSON cannot hold them: {', '.join(sorted(left))}."] if left else []
    return number, notes


def _row(row: dict[str, Any], left: set[str]) -> dict[str, Any]:
    kept = {}
    for name, value in row.items():
        try:
            kept[name] = plain(value)
        except ValueError:
            left.add(str(name)[:80])
    return kept


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:400] or type(error).__name__


if __name__ == "__main__":
    main()
