"""The child process of `reader`: a file's format, its first rows under a mapping, all of its rows, the questions of its tasks.

A request is a JSON object with `do` and `path`; see each function of `_OpenFile` for the rest.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from curation.formats.annotation_tools import argilla
from curation.formats.annotation_tools.argilla_survey import ArgillaSurvey
from curation.formats.annotation_tools.label_studio_survey import ConfigError, LabelStudioSurvey, read_config
from curation.formats.mapping import Mapping
from curation.formats.readers.jsonl import row_from, too_long, too_wide
from curation.formats.readers.rows import LIMITS, FormatError, Source, SourceRow, bad_row
from curation.formats.readers.sources import few, first_look, json_lines, look_again, read
from curation.formats.suggestions import suggest, suggest_tasks
from curation.imports.check import RowCheck

REFUSALS = (FormatError, ConfigError)
FIRST = 20  # rows by which a mapping is suggested
FRAME = 4 << 20  # bytes of rows in one piece of the answer; a longer row comes alone
TICK = 500  # rows after which a piece says that the work goes on


def work(_: bytes) -> Callable[[bytes], bytes | Iterator[bytes]]:
    return _OpenFile().answer


class _OpenFile:
    """A file and what was found out about it so far."""

    def __init__(self) -> None:
        self.source: Source | None = None
        self.first: list[dict[str, Any]] = []

    def answer(self, question: bytes) -> bytes | Iterator[bytes]:
        asked = orjson.loads(question)
        found: bytes | Iterator[bytes] = getattr(self, f"do_{asked.pop('do')}")(**asked)
        return found

    def do_inspect(self, path: str, name: str, source: Any, said: dict[str, str]) -> bytes:
        """Return the source, detected or read as a person chose."""
        if source is None:
            found, rows = first_look(path, name)
        else:
            found, rows = Source.from_json(source), []
        if any(said.values()) or (said and found.compression == "zip"):  # nothing said of a zip's files undoes what was
            found, rows = look_again(path, found, **said)
        self.source, self.first = found, [row.data for row in rows[:FIRST] if row.data is not None]
        return orjson.dumps(found.to_json())

    def do_suggest(self, path: str, source: Any, kind: str | None) -> bytes:
        """Return a mapping and why, by the first rows; those that were inspected, if they were."""
        if self.source is None:
            self.source = Source.from_json(source)
            rows = few(read(path, self.source), FIRST)
            self.first = [row.data for row in rows if row.data is not None]
        if self.source.tool:
            mapping, why = suggest_tasks(self.source.tool, self.source.columns, self.first, kind)
        else:
            mapping, why = suggest(self.source.columns, self.first, kind)
        return orjson.dumps([dataclasses.asdict(mapping) | {"roles": list(mapping.roles.items())}, why])

    def do_check(self, path: str, source: Any, mapping: Any, count: int, seconds: float, shown: int) -> bytes:
        """Return how the first `count` rows would end under a mapping, as far as `seconds` allow, and some of them."""
        found, until = Source.from_json(source), time.monotonic() + seconds
        check, whole = RowCheck(_mapping(mapping), found.columns, shown), True
        for row in read(path, found):
            if check.checked == count or (check.checked and time.monotonic() > until):
                whole = False
                break
            check.add(row)
        # A refused row may hold what JSON cannot; it is only shown.
        return orjson.dumps(check.to_json(whole), default=str, option=orjson.OPT_NON_STR_KEYS)

    def do_rows(self, path: str, source: Any, start: int, size: int) -> Iterator[bytes]:
        """Yield all rows after the first `start`, at most `size` in a piece."""
        found = Source.from_json(source)
        if found.format == "parquet" and not found.tool and found.compression != "zip":
            return _framed(read(path, found, start), size)  # groups of rows that are here already are skipped unread
        return _framed(read(path, found), size, start)

    def do_lines(self, path: str, source: Any, start: int, size: int) -> Iterator[bytes]:
        """Yield lines of JSON after the first `start`, at most `size` in a piece, each after its number.

        They are as they came: the receiver reads a line in less time than it takes to write one again.
        """
        found = json_lines(path, Source.from_json(source), start)
        return _in_pieces((_line(number, line) for number, line in found), size)

    def do_survey(self, path: str, source: Any, config: str, most: int, seconds: float) -> Iterator[bytes]:
        """Yield the questions of the first `most` tasks, as far as `seconds` allow, and who answered them; 0 is no limit."""
        found = Source.from_json(source)
        survey = _survey(path, found, config)
        until = time.monotonic() + seconds
        for number, row in enumerate(read(path, found), 1):
            if row.task is not None:
                survey.see(row.task)
            if number == most or (seconds and time.monotonic() > until):
                break
            if number % TICK == 0:
                yield orjson.dumps({"seen": number})
        settings = survey.settings if isinstance(survey, ArgillaSurvey) else {}
        people = [who for who, _ in survey.people.most_common(10_000)]
        asked = [one.to_json() for one in survey.asked()]
        yield orjson.dumps(
            {"asked": asked, "people": people, "guidelines": str(settings.get("guidelines") or "")[:100_000]},
            option=orjson.OPT_NON_STR_KEYS,
        )

    def do_tasks(self, path: str, source: Any, columns: list[str], count: int) -> bytes:
        """Return the first tasks of another tool, as a page shows them."""
        rows = few(read(path, Source.from_json(source)), count)
        return orjson.dumps([_task(row, set(columns)) for row in rows])

    def do_config(self, config: str) -> bytes:
        """Check a labelling configuration; return nothing if it can be read."""
        read_config(config)
        return b"null"


def _mapping(data: dict[str, Any]) -> Mapping:
    """Return a mapping that may still lack something, so that its preview can be shown."""
    return Mapping(**data | {"roles": dict(data["roles"])})


def _survey(path: str, source: Source, config: str) -> LabelStudioSurvey | ArgillaSurvey:
    if source.tool != "argilla":
        return LabelStudioSurvey(config)
    plain = dataclasses.replace(source, tool="")
    return ArgillaSurvey(argilla.settings_in(read(Path(path), plain)) if source.compression == "zip" else {})


# --- rows ------------------------------------------------------------------------------------------


def _line(number: int, line: bytes | None) -> bytes:
    """Return a line after its number and the problem of its size, if it has one: then it is too large to be read outside."""
    if line is None:
        return b"%d\tlong\t" % number
    if len(line) > LIMITS.values and line.count(b",") > LIMITS.values:
        row = row_from(number, line)
        if row.data is not None and _has_more(row.data, LIMITS.values):
            return b"%d\twide\t" % number
    return b"%d\t\t%s" % (number, line)


def _in_pieces(lines: Iterable[bytes], size: int) -> Iterator[bytes]:
    parts: list[bytes] = []
    held = 0
    for line in lines:
        if parts and held + len(line) > FRAME:
            yield b"\n".join(parts)
            parts, held = [], 0
        parts.append(line)
        held += len(line)
        if len(parts) == size:
            yield b"\n".join(parts)
            parts, held = [], 0
    if parts:
        yield b"\n".join(parts)


def _framed(rows: Iterable[SourceRow], size: int, start: int = 0) -> Iterator[bytes]:
    """Yield JSON lists of rows, each as `reader` takes it apart. Pieces without a row while others are skipped."""
    parts: list[bytes] = []
    held = 0
    for number, row in enumerate(rows, 1):
        if number <= start:
            if number % TICK == 0:
                yield b""
            continue
        part = _packed(row)
        if parts and held + len(part) > FRAME:
            yield b"[" + b",".join(parts) + b"]"
            parts, held = [], 0
        parts.append(part)
        held += len(part)
        if len(parts) == size:
            yield b"[" + b",".join(parts) + b"]"
            parts, held = [], 0
    if parts:
        yield b"[" + b",".join(parts) + b"]"


def _packed(row: SourceRow) -> bytes:
    where = row.problem.where if row.problem else f"row {row.line}"
    try:
        data = orjson.dumps(row.data, option=orjson.OPT_NON_STR_KEYS)
        task = orjson.dumps(row.task, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, RecursionError) as error:
        text = f"The row has a value that JSON can't store ({str(error)[:100]}). Change it."
        return _packed(bad_row(row.line, "not_storable", text, "", where)._replace(file=row.file))
    if len(data) > LIMITS.row:
        return _packed(too_long(row.line, LIMITS.row, where)._replace(file=row.file))
    if len(data) > LIMITS.values and _has_more(row.data, LIMITS.values):
        return _packed(too_wide(row.line, b"", where)._replace(file=row.file))
    problem = row.problem and [row.problem.code, row.problem.message, row.problem.where]
    rest = orjson.dumps([row.line, problem, row.raw, row.file, [list(note) for note in row.notes]])
    return b"[" + rest + b"," + data + b"," + task + b"]"


def _has_more(value: Any, most: int) -> bool:
    """Return whether a value has more than `most` values in it, however deep."""
    count, waiting = 0, [value]
    while waiting:
        value = waiting.pop()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        count += len(inner)
        if count > most:
            return True
        waiting += inner
    return False


def _task(row: SourceRow, columns: set[str]) -> dict[str, Any]:
    task = row.task
    if task is None:
        return {"line": row.line, "wrong": row.problem.message if row.problem else "This cannot be read."}
    data = task.get("data") or task.get("fields") or {}
    texts = [(name, str(value)[:300]) for name, value in data.items() if name in columns]
    answered = task.get("annotations")
    if answered is None:
        answered = {str(one.get("user_id")) for given in task["responses"].values() for one in given or []}
    predicted = task.get("predictions") or task.get("suggestions") or []
    return {"line": row.line, "texts": texts, "answers": len(answered), "predictions": len(predicted)}
