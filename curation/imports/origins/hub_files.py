"""The check that all files which a hub dataset names are its own: of its repository, or of its folder on this machine.

The `datasets` library reads whatever a README's `configs`, a `.huggingface.yaml` or a `state.json` name: absolute
paths, `..`, links, other repositories, other servers. A dataset is data, so its author must not choose what the server
reads.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# Readers that read the files they are given, and no others that those name (as HDF5's external links do).
READERS = frozenset(
    {"arrow", "csv", "json", "parquet", "text", "webdataset", "imagefolder", "audiofolder", "videofolder"}
)
# Of a config in a README: these keys name files. All others of the readers above are how to read them.
NAMING = ("data_files", "data_dir", "metadata_filenames")
STATES = ("_data_files", "_indices_data_files")


class UnreadableDataset(Exception):
    """A dataset that cannot be read; the message is a sentence."""


def check_builder(name: str, builder: Any) -> None:
    """Raise UnreadableDataset for a dataset whose reader opens more than it is given."""
    reader = type(builder).__module__.rsplit(".", 1)[-1]
    if reader not in READERS:
        raise UnreadableDataset(
            f"{name} has files of the kind {reader}, which cannot be imported. Convert them to Parquet or JSONL."
        )


def check_repository(name: str, builder: Any) -> None:
    """Raise UnreadableDataset unless every file is in this repository."""
    check_builder(name, builder)
    own = f"hf://datasets/{name}@"  # at any commit: an export of its Parquet files has its own
    for file in _files(builder):
        if not file.startswith(own) or _leaves(file.removeprefix(own)):
            raise UnreadableDataset(
                f"{name} refers to files outside its repository on the hub. Download the dataset, then upload it here."
            )


def check_folder(folder: Path, builder: Any) -> None:
    """Raise UnreadableDataset unless every file that will be read is in the folder, links followed."""
    check_builder(folder.name, builder)
    for file in _files(builder):
        path = file.rpartition("::")[2]  # of a zip's members, the zip
        if "://" in path:
            raise UnreadableDataset(_outside(folder, path))
        _check_inside(folder, Path(path))


def check_metadata(folder: Path) -> None:
    """Raise UnreadableDataset if the folder's own metadata name anything but files below it."""
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard, DatasetCardData

    card = folder / "README.md"
    if card.is_file():
        _check_inside(folder, card)
        _check_configs(folder, MetadataConfigs.from_dataset_card_data(DatasetCard.load(card).data))
    alone = folder / ".huggingface.yaml"
    if alone.is_file():
        import yaml

        _check_inside(folder, alone)
        words = yaml.safe_load(alone.read_text(encoding="utf-8")) or {}
        _check_configs(folder, MetadataConfigs.from_dataset_card_data(DatasetCardData(**words)))


def check_saved(folder: Path) -> None:
    """Raise UnreadableDataset if what `save_to_disk` wrote names files anywhere but beside itself."""
    index = folder / "dataset_dict.json"
    parts = [folder]
    if index.is_file():
        _check_inside(folder, index)
        parts = [folder / name for name in json.loads(index.read_bytes())["splits"] if _is_plain(folder, name)]
    for part in parts:
        _check_inside(folder, part)
        for path in (part / "state.json", part / "dataset_info.json"):
            _check_inside(folder, path)
        state = json.loads((part / "state.json").read_bytes())
        for file in [file for key in STATES for file in state.get(key) or []]:
            if _is_plain(folder, file["filename"]):
                _check_inside(folder, part / file["filename"])


def _check_configs(folder: Path, configs: Mapping[str, Mapping[str, Any]]) -> None:
    for config in configs.values():
        for pattern in (text for key in NAMING for text in _texts(config.get(key))):
            if _leaves(pattern):
                raise UnreadableDataset(_outside(folder, pattern))


def _texts(value: Any) -> Iterable[str]:
    """Yield every text in a value of lists and mappings, but names of splits."""
    if isinstance(value, Mapping):
        value = [inner for key, inner in value.items() if key != "split"]
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    elif value is not None:
        yield str(value)


def _leaves(pattern: str) -> bool:
    """Return whether a path or pattern may lead out of the folder that it is in."""
    return (
        pattern.startswith(("/", "~"))
        or any(mark in pattern for mark in ("://", "::", "\\", "\x00"))
        or ".." in pattern.replace("{", "/").replace("}", "/").replace(",", "/").split("/")
    )


def _is_plain(folder: Path, name: Any) -> bool:
    if not isinstance(name, str) or "/" in name or name in ("", ".", "..") or _leaves(name):
        raise UnreadableDataset(_outside(folder, str(name)))
    return True


def _check_inside(folder: Path, path: Path) -> None:
    real = path.resolve()
    if real != folder and folder not in real.parents:
        raise UnreadableDataset(_outside(folder, path.name))


def _outside(folder: Path, what: str) -> str:
    return f"{folder.name} names “{what[:200]}”, which is not in its folder. Put all files there, without links, and refer to them from there."


def _files(builder: Any) -> list[str]:
    return [str(file) for files in (builder.config.data_files or {}).values() for file in files]
