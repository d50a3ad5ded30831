"""The REST calls that a guide shows, with the answers beneath them, as data.

Two ways of writing are read: `curl` with its flags, and `GET /api/…` with a body after it. What is left out stands as `…`.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

METHODS = "GET|POST|PUT|PATCH|DELETE"
CALL = re.compile(rf"^(?:\$ )?curl |^(?:{METHODS}) +/api/")
PLAIN = re.compile(rf"(?P<method>{METHODS}) +(?P<url>/api/\S+)(?: +(?P<body>\{{.*))?", re.DOTALL)
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,…]|[^\s{}\[\]:,…"]+')
STATUS = re.compile(r"\s(\d{3})$")
SPAN = re.compile(rf"(?P<methods>(?:{METHODS})(?:, (?:{METHODS}))*)(?: +(?P<path>\S+)(?: .*)?)?")
ELSEWHERE = {"LABEL_STUDIO"}  # addresses of tools that a guide moves from


@dataclass
class Example:
    """A call of a guide. `answer` is None if the guide shows none."""

    guide: str
    method: str
    path: str
    query: set[str]
    body: set[str]
    parts: set[str]  # of a form, by `-F`
    status: int | None
    answer: Any
    is_whole: bool  # nothing of the answer's own fields is left out

    def __str__(self) -> str:
        return f"{self.guide}: {self.method} {self.path}"


def blocks(text: str) -> Iterator[str]:
    """Yield indented and fenced blocks, without their indent."""
    yield from re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE):
        yield re.sub(r"^    ", "", block, flags=re.MULTILINE)


def examples(guide: str, text: str) -> Iterator[Example]:
    for block in blocks(text):
        lines = block.splitlines()
        while lines:
            line = lines.pop(0)
            if not CALL.match(line):
                continue
            while line.endswith("\\") or line.count("'") % 2:  # a call that goes on
                line = line.removesuffix("\\") + lines.pop(0)
            shown = []
            while lines and lines[0].strip() and not CALL.match(lines[0]):
                shown.append(lines.pop(0))
            if found := example(guide, line, "\n".join(shown)):
                yield found


def example(guide: str, call: str, shown: str) -> Example | None:
    """Return a call of a guide; None for a call to another tool.

    Raises ValueError for a call or an answer that cannot be read.
    """
    if "curl " in call:
        address = re.search(r"\$(\w+)(/api/[^\s\"']*)", call)
        if address and address[1] in ELSEWHERE:
            return None
        way = re.search(rf"-X ({METHODS})", call)
        sent = re.search(r"-d '(.*?)'", call, re.DOTALL)
        parts = set(re.findall(r"-F (\w+)=", call))
        method = way[1] if way else "POST" if sent or parts else "GET"
        url = address[2] if address and address[1] == "ATELIER" else ""
        body = sent[1] if sent else ""
    else:
        plain = PLAIN.match(call)
        method, url, body, parts = (*plain.group("method", "url", "body"), set()) if plain else ("", "", "", set())
    if not url:
        raise ValueError(f"{guide}: no address of Atelier in {call!r}")
    status = STATUS.search(call if body else shown) or STATUS.search(shown)
    answer, is_whole = loose(STATUS.sub("", shown)) if shown.startswith(("{", "[")) else (None, False)
    return Example(
        guide, method, urlsplit(url).path, set(parse_qs(urlsplit(url).query, keep_blank_values=True)),
        set(loose(STATUS.sub("", body))[0]) if body else set(), parts, int(status[1]) if status else None, answer, is_whole,
    )  # fmt: skip


def loose(text: str) -> tuple[Any, bool]:
    """Parse JSON in which `…` means what is left out; return whether nothing of its own fields, or its rows', is.

    Raises ValueError.
    """
    kept: list[str] = []
    own = 2 if text.startswith("[") else 1
    depth, is_whole = 0, True
    for token in TOKEN.findall(text):
        depth += (token in "{[") - (token in "}]")
        if token == "…":
            is_whole = is_whole and depth != own
            kept += ["null"] if kept and kept[-1] == ":" else []
        elif token == "," and kept and kept[-1] in "{[,":
            continue
        else:
            if token in "}]" and kept and kept[-1] == ",":
                kept.pop()
            kept.append(token)
    try:
        return json.loads(" ".join(kept)), is_whole
    except json.JSONDecodeError as error:
        raise ValueError(f"This is no JSON ({error}): {text}") from error


def named(text: str) -> Iterator[tuple[str, str]]:
    """Yield (method, end of the path) of each operation named in running text and tables: `POST …/7/submit`, `/skip`.

    The method is empty if none is named.
    """
    for line in re.sub(r"^    .*", "", text, flags=re.MULTILINE).splitlines():
        methods: list[str] = []
        last = ""
        for span in re.findall(r"`([^`]+)`", line):
            found = SPAN.fullmatch(span)
            if found and not found["path"]:
                methods, last = [*([] if last else methods), *re.findall(METHODS, span)], ""
            elif found or span.startswith("…/"):
                methods = [*([] if last else methods), *re.findall(METHODS, found["methods"] if found else "")]
                last = (found["path"] if found else span).split("?")[0].split(" ")[0]
                yield from ((method, last) for method in methods or [""])
            elif last and re.fullmatch(r"/[a-z]+", span):  # another end of the same
                yield methods[-1] if methods else "", last.rsplit("/", 1)[0] + span
