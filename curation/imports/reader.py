"""The reader of uploaded files, a child process with limits: `reader_process`.

None of Atelier's own processes opens such a file itself.

with FileReader(path) as file:
    source = file.inspect("articles.csv.gz")
    mapping, why = file.suggest("documents")
"""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import orjson

from atelier.processes.sandbox import (
    Busy,
    ChildLimits,
    LimitExceeded,
    SandboxChild,
    TooLong,
    TooMuchMemory,
    TooSlow,
    WorkRefused,
)
from curation.chat import Problem
from curation.formats import LIMITS, Draft, FormatError, Mapping, Source, SourceRow
from curation.formats.annotation_tools.annotations import ToolQuestion
from curation.formats.readers.jsonl import row_from, too_long, too_wide
from curation.formats.readers.rows import Note

# Some 130 MB of the address space are libraries, so that what lies in memory stays below 512 MB.
MEMORY = 640 << 20
LOOK = ChildLimits(seconds=10.0, wall=60.0, memory=MEMORY, answer=16 << 20, files=LIMITS.unpacked)  # for all of a look
READ = ChildLimits(
    seconds=30.0, wall=600.0, memory=MEMORY, answer=3 * LIMITS.row, files=LIMITS.unpacked
)  # for one piece
T = TypeVar("T")


class PreviewRow(NamedTuple):
    """A row as it came, and as it will look: its data or the raw text, the draft or the problem. `cut` when shortened.

    `notes` say what of it was left out, or is doubted.
    """

    line: int
    data: dict[str, Any] | None
    raw: str
    draft: Draft | None
    wrong: str
    problems: list[dict[str, Any]]
    fixes: list[str]
    cut: bool
    notes: list[str]
    state: str  # one of `check.STATES`
    labels: list[str]
    file: str


class CheckedRows(NamedTuple):
    """How the first rows of a file would end under a mapping; all of them if `whole`.

    Each of `checked` is one of refused, problems, fixable and good; `fixed` are those that the mapping fixes. `account` is what an import would store of the columns; `notes` are of the rows, with their counts.
    """

    checked: int
    whole: bool
    refused: int
    problems: int
    fixable: int
    good: int
    fixed: int
    same_content: int
    same_id: int
    notes: list[str]
    account: dict[str, Any]
    rows: list[PreviewRow]


class FileReader:
    """Reads a file before its import; a context manager. All of it may raise FormatError, with what to do."""

    def __init__(self, path: str | Path = "") -> None:
        self.path = os.path.abspath(path)
        self._child = SandboxChild("curation.imports.reader_process", b"", LOOK)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close()

    def inspect(self, name: str, source: Source | None = None, **said: str) -> Source:
        """Return what the file is.

        `name` is what its sender calls it; with `said`, as `formats.read_as` takes it, the source is read so.
        """
        given = source and source.to_json()
        return Source.from_json(self._ask("inspect", path=self.path, name=name, source=given, said=said))

    def suggest(self, kind: str | None, source: Source | None = None) -> tuple[Mapping, str]:
        """Suggest the likeliest mapping, by the first rows, and why. The source is needed if nothing was inspected before."""
        found, why = self._ask("suggest", path=self.path, source=source and source.to_json(), kind=kind)
        return Mapping(**found | {"roles": dict(found["roles"])}), why

    def check(self, source: Source, mapping: Mapping, count: int, seconds: float, shown: int) -> CheckedRows:
        """Check the first rows under a mapping, which may be unfinished, for so many seconds; `shown` of them come along."""
        given = dataclasses.asdict(mapping) | {"roles": list(mapping.roles.items())}
        asked = {"source": source.to_json(), "mapping": given, "count": count, "seconds": seconds, "shown": shown}
        found = self._ask("check", path=self.path, **asked)
        rows = [PreviewRow(**row | {"draft": row["draft"] and Draft(**row["draft"])}) for row in found["rows"]]
        return CheckedRows(**found | {"rows": rows})

    def survey(self, source: Source, config: str, most: int, seconds: float) -> "ToolSurvey":
        """Return the questions of the first tasks of another tool's export."""
        asked = _question("survey", path=self.path, source=source.to_json(), config=config, most=most, seconds=seconds)
        return ToolSurvey.of(_guarded(lambda: list(self._child.stream(asked))[-1]))

    def tasks(self, source: Source, columns: list[str], count: int) -> list[dict[str, Any]]:
        """Return the first tasks of another tool's export: line, and what is wrong, or texts with the numbers of answers."""
        found: list[dict[str, Any]] = self._ask(
            "tasks", path=self.path, source=source.to_json(), columns=columns, count=count
        )
        return found

    def check_config(self, config: str) -> None:
        """Raise FormatError for a labelling configuration that cannot be read."""
        self._ask("config", config=config)

    def _ask(self, do: str, **asked: Any) -> Any:
        return orjson.loads(_guarded(lambda: self._child.ask(_question(do, **asked))))


@dataclasses.dataclass(frozen=True)
class ToolSurvey:
    """The questions of an export, who answered them (the most frequent first), and the tool's guidelines."""

    asked: list[ToolQuestion]
    people: list[str]
    guidelines: str

    @classmethod
    def of(cls, piece: bytes) -> "ToolSurvey":
        found = orjson.loads(piece)
        return cls([ToolQuestion.from_json(one) for one in found["asked"]], found["people"], found["guidelines"])


def survey(
    path: Path, source: Source, config: str, seen: Callable[[int], object], look: Callable[[], object]
) -> ToolSurvey:
    """Return the questions of all tasks of an export; `seen` is called with the number of tasks seen. Raises FormatError."""
    asked = _question("survey", path=os.path.abspath(path), source=source.to_json(), config=config, most=0, seconds=0)
    piece = b""
    with SandboxChild("curation.imports.reader_process", b"", READ, look) as child:
        for piece in _guarded_all(child.stream(asked)):
            if number := orjson.loads(piece).get("seen"):
                seen(number)
    return ToolSurvey.of(piece)


class FileRows:
    """The rows of a file after the first `start`, in lists of at most `size`, and of a few megabytes; a context manager.

    Iterating may raise FormatError if the file turns out to be damaged, or to take too much. `look` as in
    `SandboxChild`.
    """

    def __init__(
        self, path: str | Path, source: Source, start: int, size: int, look: Callable[[], object] | None = None
    ) -> None:
        self._is_lines = source.format == "jsonl" and not source.tool and source.compression != "zip"
        do = "lines" if self._is_lines else "rows"
        self._asked = _question(do, path=os.path.abspath(path), source=source.to_json(), start=start, size=size)
        self._child = SandboxChild("curation.imports.reader_process", b"", READ, look)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close()

    def __iter__(self) -> Iterator[list[SourceRow]]:
        for piece in _guarded_all(self._child.stream(self._asked)):
            if self._is_lines:
                yield [_read_line(line) for line in piece.split(b"\n")]
                continue
            yield [
                SourceRow(
                    line, data, problem and Problem(*problem), raw, file, task, tuple(Note(*one) for one in notes)
                )
                for (line, problem, raw, file, notes), data, task in orjson.loads(piece)
            ]

    def stop(self) -> None:
        """Stop the reading while another thread waits for it, which then gets a FormatError."""
        self._child.kill()


def _read_line(line: bytes) -> SourceRow:
    """Return the row of a line from the child: it is short, flat and small enough to be read here."""
    number, fault, text = line.split(b"\t", 2)
    if fault:
        return too_long(int(number), LIMITS.row) if fault == b"long" else too_wide(int(number))
    return row_from(int(number), text)


def _question(do: str, **asked: Any) -> bytes:
    return orjson.dumps({"do": do, **asked})


def _guarded(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except (WorkRefused, LimitExceeded) as error:
        raise _explained(error) from error


def _guarded_all(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except (WorkRefused, LimitExceeded) as error:
        raise _explained(error) from error


def _explained(error: WorkRefused | LimitExceeded) -> FormatError:
    """Return the error in words about files."""
    if isinstance(error, TooSlow):
        return FormatError(f"This file takes too long to read. {error} Split it, or send it as JSON Lines.")
    if isinstance(error, TooMuchMemory | TooLong):
        return FormatError(
            f"This file needs more memory to read than the {MEMORY >> 20} MB that are allowed. Split its longest rows, or send it as JSON Lines."
        )
    if isinstance(error, WorkRefused | Busy):
        return FormatError(str(error))
    return FormatError(
        f"This file cannot be read and may be damaged. Write it again, or send it as JSON Lines. {error}"
    )
