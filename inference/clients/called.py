"""Calls of tools in replies, read leniently: whole or in pieces of a stream, in whatever form servers write them.

Some servers number the calls, some only give each its id, some send arguments as an object, and old ones have one
`function_call` in place of `tool_calls`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from atelier.characters import storable
from curation import tool_calls
from inference.clients.characters import joined

MOST_CALLS = 128  # of one answer: providers take as many tools


@dataclass(frozen=True)
class CallPiece:
    """A piece of a call: its place if the server numbers calls, and what it has of id, name and arguments."""

    place: int | None = None
    id: str = ""
    name: str = ""
    arguments: Any = None  # text, to be joined with others; or a value


def pieces_of(message: Mapping[str, Any], is_whole: bool) -> list[CallPiece]:
    """Return the pieces of calls in a delta; of a whole message each is a call, whatever numbers and ids they have."""
    listed = message.get("tool_calls")
    if isinstance(listed, Mapping):
        listed = [listed]
    found = [_piece(one) for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    if not found and isinstance(old := message.get("function_call"), Mapping):
        found = [_piece({"function": old, "index": 0})]
    return [replace(piece, place=place) for place, piece in enumerate(found)] if is_whole else found


def _piece(one: Mapping[str, Any]) -> CallPiece:
    function = one.get("function")
    if not isinstance(function, Mapping):
        function = one  # flat: {"id", "name", "arguments"}
    place, named = one.get("index"), one.get("id")
    arguments = next(
        (function[key] for key in ("arguments", "parameters", "input") if function.get(key) is not None), None
    )
    return CallPiece(
        place if isinstance(place, int) and not isinstance(place, bool) else None,
        named if isinstance(named, str) and named != "null" else str(named) if isinstance(named, int) else "",
        name if isinstance(name := function.get("name"), str) else "",
        arguments,
    )


class _Gathered:
    def __init__(self) -> None:
        self.place: int | None = None
        self.id = self.name = ""
        self.texts: list[str] = []
        self.value: Any = None

    def add(self, piece: CallPiece) -> None:
        self.id = self.id or piece.id
        # Names come whole, and some servers repeat them with every piece.
        self.name = self.name or piece.name
        if isinstance(piece.arguments, str):
            self.texts.append(piece.arguments)
        elif piece.arguments is not None:
            self.value = piece.arguments


class CallGatherer:
    """Joins the pieces of an answer's calls."""

    def __init__(self) -> None:
        self._calls: list[_Gathered] = []

    def add(self, pieces: list[CallPiece]) -> None:
        """Add the pieces of one reply, or of one piece of a stream."""
        for piece in pieces:
            self._belongs_to(piece).add(piece)

    def _belongs_to(self, piece: CallPiece) -> _Gathered:
        """Return the call that a piece continues: by its id, else its number, else the last one; or a new one."""
        for call in reversed(self._calls):
            if piece.id and call.id:
                if piece.id == call.id and piece.place in (None, call.place):
                    return call
            elif piece.place is not None and piece.place == call.place:
                return call
        last = self._calls[-1] if self._calls else None
        if last is not None and not piece.id and not piece.name and piece.place is None:
            return last
        if len(self._calls) >= MOST_CALLS:
            return self._calls[-1]
        self._calls.append(_Gathered())
        self._calls[-1].place = piece.place
        return self._calls[-1]

    def calls(self) -> tuple[tool_calls.Call, ...]:
        """Return the calls in the one form, each with an id of its own. A piece without name or arguments is no call."""
        there = [one for one in self._calls if one.name or one.texts or one.value is not None]
        taken: set[str] = set()
        found = []
        for number, one in enumerate(there, 1):
            call_id = storable(joined(one.id))
            if not call_id or call_id in taken:
                call_id = f"call{number:05}"  # nine letters and digits, as older Mistral rules want them
            taken.add(call_id)
            text = joined("".join(one.texts))
            arguments = text if text.strip() or one.value is None else json.dumps(one.value, ensure_ascii=False)
            found.append(
                tool_calls.call(storable(joined(one.name)).strip(), storable(joined(arguments.strip())), call_id)
            )
        return tuple(found)
