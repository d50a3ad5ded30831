"""The operations of the API, as its own description lists them."""

from dataclasses import dataclass
from typing import Any

from atelier.api import api

SCHEMA = api.get_openapi_schema()


@dataclass
class Operation:
    method: str
    path: str
    facts: dict[str, Any]

    def __hash__(self) -> int:
        return hash((self.method, self.path))

    def fits(self, segments: list[str]) -> bool:
        """Return whether the path ends so; `1` and `{id}` match any id."""
        mine = self.path.strip("/").split("/")[-len(segments) :]
        return len(mine) == len(segments) and all(
            self._fits(mine_one, one) for mine_one, one in zip(mine, segments, strict=True)
        )

    def _fits(self, mine: str, given: str) -> bool:
        if not mine.startswith("{"):
            return mine == given
        kind = self._parameters("path")[mine.strip("{}")]
        if kind.get("type") == "integer":
            return given.isdigit() or given.startswith("{") or given.isupper()
        return given in kind.get("enum", [kind.get("const", given)])

    def _parameters(self, place: str) -> dict[str, Any]:
        return {one["name"]: one["schema"] for one in self.facts.get("parameters", []) if one["in"] == place}

    def query(self) -> set[str]:
        return set(self._parameters("query"))

    def sent(self, kind: str) -> set[str]:
        """Return the names of the fields of a body of this content type."""
        body = self.facts.get("requestBody", {"content": {}})["content"].get(kind, {"schema": {}})
        return fields(body["schema"])

    def answered(self) -> list[set[str]]:
        """Return the fields of the responses whose form is declared."""
        found = [one.get("content", {}).get("application/json", {}) for one in self.facts["responses"].values()]
        return [names for one in found if (names := fields(one.get("schema", {})))]


def fields(schema: dict[str, Any]) -> set[str]:
    """Return the names of an object's properties, or of those of a list's rows."""
    if "$ref" in schema:
        return fields(SCHEMA["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    if schema.get("type") == "array":
        return fields(schema["items"])
    return set(schema.get("properties", {})) | {name for one in schema.get("allOf", []) for name in fields(one)}


OPERATIONS = [
    Operation(method.upper(), path, facts)
    for path, methods in SCHEMA["paths"].items()
    for method, facts in methods.items()
]


def find(method: str, path: str) -> Operation | None:
    """Return the operation at a path, or at one that ends so; the one that names most of it literally."""
    segments = path.removeprefix("…").strip("/").split("/")
    found = [one for one in OPERATIONS if one.method == method and one.fits(segments)]
    return min(found, key=lambda one: one.path.count("{"), default=None)
