"""The child process of hub imports, `python -m curation.imports.origins.hub_process`: writes rows as JSON lines into a file.

The request comes on standard input as {"name", "config", "split", "revision", "local", "out", "hint"}. Progress goes to
standard output as lines of JSON: {"reached"}, {"rows"}, {"problem"} or {"done", "notes"}. Only this process loads
`datasets`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import orjson

from atelier.files.local_paths import hidden
from curation.formats.readers.parquet import plain, without_null_keys
from curation.formats.readers.rows import LIMITS
from curation.imports.origins import hub_files
from curation.imports.origins.hub_files import UnreadableDataset

EVERY = 2000
REACH = 12  # seconds for the hub's first answer


def main() -> None:
    request = json.load(sys.stdin)
    try:
        commit = "" if request["local"] else reach(request)
        tell(reached=True)
        rows, notes = write(_streamed(request, commit) if commit else _stored(request), Path(request["out"]))
    except UnreadableDataset as error:
        tell(problem=str(error))
    else:
        tell(done=rows, notes=notes)


def tell(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def reach(request: dict[str, Any]) -> str:
    """Ask the hub for the dataset's commit: one short call, so that a missing network is known at once.

    All that follows is read at this commit: a branch may move while it is read.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = HfApi().dataset_info(request["name"], revision=request["revision"] or None, timeout=REACH)
    except RevisionNotFoundError as error:
        raise UnreadableDataset(f"{request['name']} has no revision {request['revision']}.") from error
    except RepositoryNotFoundError as error:
        raise UnreadableDataset(
            f"The hub has no dataset {request['name']}, or it is private.{request['hint']}"
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "an error"
        raise UnreadableDataset(f"The hub answered {status} for {request['name']}. Try again later.") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreachable(error) from error
    except Exception as error:
        # The client of the hub has errors of its own for every way in which a connection fails.
        if type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore", "requests", "urllib3"):
            raise _unreachable(error) from error
        raise
    if not info.sha:
        raise UnreadableDataset(f"The hub returned no commit of {request['name']}. Try again later.")
    return str(info.sha)


def _unreachable(error: Exception) -> UnreadableDataset:
    return UnreadableDataset(
        f"The hub cannot be reached from this machine ({type(error).__name__}). Check its network, or upload a file."
    )


def _streamed(request: dict[str, Any], commit: str) -> Any:
    """Return the rows of a split at a commit of the hub; all its files must be of that repository."""
    from datasets import load_dataset_builder

    try:
        builder = load_dataset_builder(path=request["name"], name=request["config"] or None, revision=commit)
        hub_files.check_repository(request["name"], builder)
        return _split_of(builder, request["split"], request["name"])
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UnreadableDataset(f"{request['name']} cannot be read: {_line(error)}") from error


def _stored(request: dict[str, Any]) -> Any:
    """Return a dataset in a folder: as `save_to_disk` leaves it, or files that `load_dataset` understands."""
    from datasets import load_dataset_builder

    folder = Path(request["local"]).resolve()
    if not folder.is_dir():
        raise UnreadableDataset(f"{folder.name} isn't a folder. Enter the one that holds the dataset's files.")
    try:
        if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
            return _saved(folder, request["split"])
        hub_files.check_metadata(folder)
        builder = load_dataset_builder(str(folder), name=request["config"] or None)
        hub_files.check_folder(folder, builder)
        return _split_of(builder, request["split"], folder.name)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UnreadableDataset(f"{folder.name} cannot be read: {hidden(_line(error), [folder])}") from error


def _saved(folder: Path, split: str) -> Any:
    from datasets import DatasetDict, load_from_disk

    hub_files.check_saved(folder)
    loaded = load_from_disk(str(folder))
    return loaded[_chosen(list(loaded), split, folder.name)] if isinstance(loaded, DatasetDict) else loaded


def _split_of(builder: Any, split: str, name: str) -> Any:
    """Return the rows as the checked builder has them: loaded a second time, the README might name other files."""
    return builder.as_streaming_dataset(split=_chosen(list(builder.config.data_files or {}), split, name))


def _chosen(splits: list[str], split: str, name: str) -> str:
    split = split or ("train" if "train" in splits or not splits else splits[0])
    if split not in splits:
        raise UnreadableDataset(f"{name} has no split {split}, only {', '.join(map(str, splits))}.")
    return split


def write(rows: Any, out: Path) -> tuple[int, list[str]]:
    """Write every row; a column that JSON cannot hold (pictures, sound) is left out and named."""
    left_out: set[str] = set()
    size = number = 0
    # Pictures and sound stay as their bytes: nothing here would decode them.
    rows = rows.decode(False) if hasattr(rows, "decode") else rows
    with out.open("wb") as file:
        for number, row in enumerate(rows, 1):
            size += file.write(orjson.dumps(_row(row, left_out), option=orjson.OPT_APPEND_NEWLINE))
            if size > LIMITS.unpacked:
                raise UnreadableDataset(
                    f"The split is larger than the {LIMITS.unpacked >> 30} GB that may be imported."
                )
            if number % EVERY == 0:
                tell(rows=number)
    notes = [f"Left out because JSON cannot hold them: {', '.join(sorted(left_out))}."] if left_out else []
    return number, notes


def _row(row: dict[str, Any], left_out: set[str]) -> dict[str, Any]:
    values = {}
    for name, value in row.items():
        try:
            values[name] = without_null_keys(plain(value)) if isinstance(value, dict | list) else plain(value)
        except ValueError:
            left_out.add(str(name)[:80])
    return values


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:400] or type(error).__name__


if __name__ == "__main__":
    main()
