"""The columns of a loaded version: texts and lists of texts as they are, everything else as JSON, so that no key is made up.

Arrow gives every object of a column the keys of all of them, and null where a row has no such key. An argument, a tool
schema or metadata would then say what nobody froze. Needs the library `datasets`.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets


@dataclass
class ExactJson(datasets.Json):
    """The library's own type for JSON, read and written by `json`.

    The library's own parser reads some fractions a little beside what stands there, and its writer cuts them. A saved
    copy is of the library's type and can be loaded without this client.
    """

    _type: str = field(default="Json", init=False, repr=False)

    def encode_example(self, example_data: Any) -> str | None:
        return None if example_data is None else json.dumps(example_data)

    def decode_example(self, example_data: str | None, token_per_repo_id: Any = None) -> Any:
        return None if example_data is None else json.loads(example_data)


def features(rows: Iterable[dict[str, Any]]) -> datasets.Features:
    """Return one schema for all rows, with each column that any of them has, so that splits can be joined."""
    forms: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            form = _form(value)
            forms[name] = form if forms.get(name, form) == form else "json"
    return datasets.Features({name: _feature(form) for name, form in forms.items()})


def _form(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "texts"
    return "json"


def _feature(form: str) -> Any:
    if form == "json":
        return ExactJson()
    text = datasets.Value("string")
    return text if form == "text" else datasets.List(text)


def dataset(path: Path, form: datasets.Features, split: str) -> datasets.Dataset:
    """Return the rows of a file of JSON lines as a dataset on disk, in the library's cache."""
    # A tuple: the library takes lists for shards.
    options = {"path": str(path), "columns": tuple(form)}
    return datasets.Dataset.from_generator(_rows, features=form, gen_kwargs=options, split=datasets.Split(split))


def _rows(path: str, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    with Path(path).open("rb") as lines:
        for line in lines:
            row = json.loads(line)
            yield {name: row.get(name) for name in columns}
