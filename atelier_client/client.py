"""The client class: one project's loop in a few calls."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from atelier_client import loading
from atelier_client.job import Job
from atelier_client.transport import Transport

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

Json = dict[str, Any]
INLINE_ROWS = 5000  # in one request; more are sent as several imports
PAGE = 200  # of lists that come by pages


class Client:
    """A client that acts as the key's user, in one project: the one named by id, else the only one there is.

    `url` is the server's base URL, such as http://127.0.0.1:8321; `timeout` is seconds for one answer.
    """

    def __init__(self, url: str, key: str, project: int | None = None, timeout: float = 60.0) -> None:
        self._transport = Transport(url, key, timeout)
        self._project = project

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    # --- projects and datasets ---

    def projects(self) -> list[Json]:
        return self._all("/projects")

    def _all(self, path: str) -> list[Json]:
        """Return all items of a paginated list."""
        found: list[Json] = []
        while True:
            page = self._transport.call("GET", path, params={"after": found[-1]["id"] if found else 0, "limit": PAGE})
            found += page
            if len(page) < PAGE:
                return found

    def create_project(self, name: str, **fields: str) -> Json:
        """Create a project and use it from now on."""
        made: Json = self._transport.call("POST", "/projects", json={"name": name, **fields}, once=True)
        self._project = int(made["id"])
        return made

    @property
    def project(self) -> int:
        """Return the project's id. Raises ValueError when there are several and none was named."""
        if self._project is None:
            found = self.projects()
            if len(found) != 1:
                names = ", ".join(f"{project['id']}: {project['name']}" for project in found) or "none yet"
                raise ValueError(f"Choose a project: Client(url, key, project=…). Available: {names}.")
            self._project = int(found[0]["id"])
        return self._project

    def _path(self, *parts: object) -> str:
        return "/".join(["/projects", str(self.project), *map(str, parts)])

    def datasets(self) -> list[Json]:
        return self._all(self._path("datasets"))

    def create_dataset(self, name: str, kind: str = "conversations", description: str = "") -> Json:
        body = {"name": name, "kind": kind, "description": description}
        made: Json = self._transport.call("POST", self._path("datasets"), json=body, once=True)
        return made

    # --- records ---

    def records(self, dataset: int, page: int = 200, **filters: Any) -> Iterator[Json]:
        """Yield every record that the filters of the list match (`q`, `status`, `split`, …), loading pages as needed."""
        after = ""
        while True:
            params = {**filters, "after": after, "limit": page}
            found = self._transport.call("GET", self._path("datasets", dataset, "records"), params=params)
            yield from found["items"]
            after = found["next"]
            if not after:
                return

    def record(self, dataset: int, pk: int) -> Json:
        """Return one record with all its content."""
        found: Json = self._transport.call("GET", self._path("datasets", dataset, "records", pk))
        return found

    def change_record(self, dataset: int, pk: int, revision: int, **fields: Any) -> Json:
        """Change a record. Raises Conflict when somebody has changed it since that revision."""
        body = {"revision": revision, **fields}
        found: Json = self._transport.call("PATCH", self._path("datasets", dataset, "records", pk), json=body)
        return found

    def import_rows(self, dataset: int, rows: list[Json], wait: bool = True, **choices: Any) -> Job:
        """Send rows; `choices` are mapping, skip_duplicates and update_by_key. Returns the last import's job."""
        job = None
        for at in range(0, max(1, len(rows)), INLINE_ROWS):
            body = {"rows": rows[at : at + INLINE_ROWS], **choices}
            path = self._path("datasets", dataset, "imports")
            job = self._job("imports", self._transport.call("POST", path, json=body, once=True), wait)
        assert job is not None  # noqa: S101 - the range has at least one step
        return job

    def import_file(self, dataset: int, path: str | Path, wait: bool = True, mapping: Json | None = None) -> Job:
        """Send a file of any format that the import page takes."""
        path = Path(path)
        address = self._path("datasets", dataset, "imports", "file")
        data = {"mapping": json.dumps(mapping)} if mapping else {}
        # Read whole, so that a repeated try sends the same bytes.
        files = {"file": (path.name, path.read_bytes())}
        return self._job("imports", self._transport.call("POST", address, data=data, files=files, once=True), wait)

    def bulk(self, dataset: int, action: str, wait: bool = True, **more: Any) -> Job:
        """Run one action on `ids=[…]` or `filters={…}`, with `options={…}` if the action has some."""
        path = self._path("datasets", dataset, "bulk")
        return self._job("bulk", self._transport.call("POST", path, json={"action": action, **more}, once=True), wait)

    def undo(self, action: Job, wait: bool = True) -> Job:
        """Undo a bulk action."""
        return self._job("bulk", self._transport.call("POST", self._path("bulk", action.id, "undo"), once=True), wait)

    def annotations(self, dataset: int, **filters: Any) -> Iterator[Json]:
        """Yield every annotation of the dataset, page by page; for editors."""
        after: Any = None
        while True:
            params = {**filters, **({"after": after} if after else {})}
            found = self._transport.call("GET", self._path("datasets", dataset, "annotations"), params=params)
            yield from found["items"]
            after = found["next"]
            if not after:
                return

    # --- versions ---

    def freeze(self, dataset: int, wait: bool = True, **choices: Any) -> Job:
        """Freeze a version; `choices` are filters, shares, seed, notes and allow_leaks."""
        body = {"dataset": dataset, **choices}
        return self._job("versions", self._transport.call("POST", self._path("versions"), json=body, once=True), wait)

    def versions(self) -> Iterator[Json]:
        """Yield every version, the newest first."""
        before = None
        while True:
            params: Json = {"before": before} if before else {}
            found = self._transport.call("GET", self._path("versions"), params=params)
            yield from found
            if not found:
                return
            before = found[-1]["id"]

    def version(self, pk: int) -> Json:
        found: Json = self._transport.call("GET", self._path("versions", pk))
        return found

    def changes(self, version: int, since: int, kind: str = "changed") -> Iterator[Json]:
        """Yield what was "added", "removed" or "changed" between two versions, page by page."""
        after: int | None = 0
        while after is not None:
            params = {"kind": kind, "after": after}
            found = self._transport.call("GET", self._path("versions", version, "since", since), params=params)
            yield from found["items"]
            after = found["next"]

    def load_dataset(
        self, version: int, split: str | None = None, folder: str | Path | None = None
    ) -> "Dataset | DatasetDict":
        """Return a version as a `datasets.Dataset` (one split) or `DatasetDict` (all), its hash verified. Raises Broken.

        Each value is the frozen one, key for key; a column that a row does not have is None in it. The files are stored
        in `folder`, by default the user's cache, under their hashes, and are downloaded once.
        """
        about = self.version(version)
        files = loading.fetch(self._transport, self._path("versions", version), about, split, folder)
        return loading.open_files(files, split)

    def frozen_rows(self, version: int, split: str | None = None, folder: str | Path | None = None) -> Iterator[Json]:
        """Yield the rows of a version exactly as they were frozen, of one split or of all; needs no library. Raises Broken."""
        files = loading.fetch(self._transport, self._path("versions", version), self.version(version), split, folder)
        yield from loading.frozen_rows(files.values())

    # --- models ---

    def train(self, version: int, base: str | None = None, wait: bool = True, **choices: Any) -> Job:
        """Train on a version; `choices` are recipe (fields that differ from what fits the machine) and name."""
        body = {"version": version, **({"base": base} if base else {}), **choices}
        return self._job("runs", self._transport.call("POST", self._path("runs"), json=body, once=True), wait)

    def evaluate(self, version: int, endpoints: list[int], wait: bool = True, **choices: Any) -> Job:
        """Have endpoints answer a split; `choices` as in the REST call, such as split, name and limit."""
        body = {"version": version, "endpoints": endpoints, **choices}
        return self._job(
            "evaluations", self._transport.call("POST", self._path("evaluations"), json=body, once=True), wait
        )

    def job(self, kind: str, pk: int) -> Job:
        """Return a job by its kind (imports, bulk, versions, runs, evaluations, …) and id."""
        path = self._path(kind, pk)
        return Job(self._transport, path, self._transport.call("GET", path))

    def _job(self, kind: str, data: Json, wait: bool) -> Job:
        job = Job(self._transport, self._path(kind, data["id"]), data)
        return job.wait() if wait else job
