"""Calls of the API: each operation with a good request, and with one hostile value at each place of it."""

import copy
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.atelier.fuzz.hostile import IN_PATH, IN_QUERY, LONG, RAW, WORST_QUERIES, Hostile
from tests.atelier.fuzz.world import IN_BODIES, World
from tests.guides.operations import OPERATIONS, SCHEMA, Operation
from tests.inference.models_fixtures import SLUG

JSON = "application/json"
FORM = "multipart/form-data"
WORDS = {"split": "train", "base": SLUG, "move": "cancel"}
# What stands in the free parts of bodies, by their names: each place in it is made hostile too.
FREE: dict[str, Any] = {
    "recipe": {"epochs": 2, "learning_rate": 0.0001, "rank": 8, "method": "qlora", "system_prompt": "Write plainly.", "max_minutes": 1},
    "filters": {"status": "new", "q": "topic:sport", "ids": [1], "import": 1, "split": "train", "unanswered_in": 1, "sort": "oldest"},
    "options": {"labels": ["News"], "find": "a", "replace": "b", "regex": True, "pieces": ["answer"], "codes": ["nul"], "dataset": 1,
                "status": "new", "users": ["ann"], "evenly": True, "low": 1, "high": 5, "piece": "answer"},
    "answers": {"desk": "News"}, "fields": {"text": "word", "n": 1}, "metadata": {"a": {"b": ["word", 1]}},
    "mapping": {"kind": "conversations", "messages": "messages", "key": "id", "group": "topic", "metadata": ["topic"], "system": "word"},
    "rows": {"id": "a", "text": "word", "n": 1}, "source": {"kind": "hub", "name": "a/b", "config": "c", "split": "train"},
    "messages": {"role": "user", "content": "word", "weight": 1}, "chosen": {"role": "assistant", "content": [{"type": "text", "text": "word"}]},
    "rejected": {"role": "assistant", "content": "word"}, "tools": {"type": "function", "function": {"name": "f", "parameters": {}}},
    "shares": {"train": 0.5, "validation": 0.25, "test": 0.25},
}  # fmt: skip
A_PLACE, A_PARAMETER, A_SEGMENT, RAW_BODIES = 2, 2, 2, 4  # how many hostile values each
BOUNDARY = "border"


class Call(NamedTuple):
    """A request. `what` states what is hostile in it; empty when it is a valid one."""

    operation: str
    method: str
    url: str
    body: bytes
    content_type: str
    what: str

    def __str__(self) -> str:
        return f"{self.method} {self.url[:160]} {self.body[:200]!r} ({self.what[:80]})"


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with references resolved: of a choice the first that is not null."""
    if "$ref" in schema:
        return resolved(SCHEMA["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    for name in ("anyOf", "allOf"):
        if name in schema:
            return resolved(next((one for one in schema[name] if one.get("type") != "null"), {}))
    return schema


def sample(name: str, schema: dict[str, Any], world: World, depth: int = 0) -> Any:
    """Return a value that the schema takes, with ids that exist."""
    found = resolved(schema)
    if "enum" in found or "const" in found:
        return found.get("const", (found.get("enum") or [None])[0])
    kind = found.get("type")
    if kind == "object":
        given = found.get("properties", {}).items() if depth < 4 else ()
        return {each: sample(each, part, world, depth + 1) for each, part in given} or copy.deepcopy(FREE.get(name, {}))
    if kind == "array":
        return [sample(name, found.get("items", {}), world, depth + 1)] if depth < 4 else []
    if kind in ("integer", "number"):
        least = found.get("minimum", found.get("exclusiveMinimum", 0))
        return world.ids.get(IN_BODIES.get(name, ""), max(least, min(1, found.get("maximum", 1))))
    return kind == "boolean" if kind in ("boolean", "null") else "word"


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield (path, value) of everything within a body, itself left out; of a list the first item only."""
    parts = value.items() if isinstance(value, dict) else list(enumerate(value))[:1] if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key), part
        yield from places(part, (*path, key))


def put(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of the body with another value at a place, which is created if missing."""
    made = at = copy.deepcopy(body)
    for key, following in pairwise(path):
        if isinstance(at, list) and not at:
            at.append({})
        if isinstance(at, dict) and not isinstance(at.get(key), dict | list):
            at[key] = [] if isinstance(following, int) else {}
        at = at[key]
    if isinstance(at, list) and not at:
        at.append(value)
    else:
        at[path[-1]] = value
    return made


def to_form(fields: dict[str, Any]) -> bytes:
    """Return a multipart body; the field `file` is a file."""
    parts = []
    for name, value in fields.items():
        is_file = '; filename="rows.jsonl"' if name == "file" else ""
        text = value if isinstance(value, str) else json.dumps(value)
        shown = name.replace('"', "").replace("\n", "")
        parts.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{shown}"{is_file}\r\n\r\n{text}\r\n')
    return ("".join(parts) + f"--{BOUNDARY}--\r\n").encode("utf-8", "surrogatepass")


class Calls:
    """All calls, made by one seed."""

    def __init__(self, world: World) -> None:
        self.world, self.hostile = world, Hostile()

    def all(self) -> Iterator[Call]:
        for operation in OPERATIONS:
            yield from self._of(operation)

    def _of(self, operation: Operation) -> Iterator[Call]:
        kind, schema = self._content(operation)
        url, body = self._good(operation, schema)

        def call(what: str, url: str = url, sent: Any = body) -> Call:
            data = sent if isinstance(sent, bytes) else to_form(sent) if kind == FORM else json.dumps(sent).encode()
            kinds = f"{FORM}; boundary={BOUNDARY}" if kind == FORM else JSON
            return Call(
                f"{operation.method} {operation.path}", operation.method, url, data if kind else b"", kinds, what
            )

        yield call("")
        yield from (call(what, address) for what, address in self._addresses(operation, url))
        if kind:
            yield from (call(what, sent=sent) for what, sent in self._bodies(body, schema))
        if kind == JSON:
            yield from (call("raw", sent=raw) for raw in self.hostile.draw(RAW, RAW_BODIES))

    def _content(self, operation: Operation) -> tuple[str, dict[str, Any]]:
        content = operation.facts.get("requestBody", {}).get("content", {})
        kind = next(iter(content), "")
        return (FORM if kind.startswith("multipart") else kind and JSON), resolved(
            content[kind]["schema"]
        ) if kind else {}

    def _good(self, operation: Operation, schema: dict[str, Any]) -> tuple[str, Any]:
        """Return a valid body as the tour sent it, else one by the schema."""
        asked = [(url, body) for url, body in self.world.tour.asked[operation] if body is not None or not schema]
        said = [status for status, _ in self.world.tour.said[operation]]
        for (url, body), status in zip(asked, said, strict=False):
            if status < 300 and operation.method != "DELETE":  # what the tour deleted is gone
                return url.split("?")[0], body or {}
        url = self.world.address(operation.path)
        for name, word in WORDS.items():
            url = url.replace(f"{{{name}}}", word)
        return url, sample("", schema, self.world) if schema else {}

    def _addresses(self, operation: Operation, url: str) -> Iterator[tuple[str, str]]:
        template, segments = operation.path.split("/"), url.split("/")
        for place, part in enumerate(template):
            for bad in self.hostile.draw(IN_PATH, A_SEGMENT) if part.startswith("{") else ():
                yield f"{part}={bad[:20]}", "/".join([*segments[:place], bad, *segments[place + 1 :]])
        for name in operation.query():
            for bad in [*WORST_QUERIES, *self.hostile.draw(IN_QUERY, A_PARAMETER)]:
                yield f"?{name}", f"{url}?{name}={quote(bad)}"
        yield "?unknown", f"{url}?no_such=1&%00=%00"

    def _bodies(self, body: Any, schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        wanted = dict(places(sample("", schema, self.world))) | dict(places(body))
        for path, value in wanted.items():
            for bad in self.hostile.instead_of(value, A_PLACE):
                yield ".".join(map(str, path)), put(body, path, bad)
            if len(path) == 1:
                yield f"without {path[0]}", {key: part for key, part in body.items() if key != path[0]}
        texts = [path for path, value in wanted.items() if isinstance(value, str)]
        if texts:
            yield "1 MB", put(body, self.hostile.random.choice(texts), LONG)
        yield "one key more", {**body, "no\x00such": 1}
