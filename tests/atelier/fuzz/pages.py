"""Requests of pages: every route with the names that its view reads, and every form that a page shows, made hostile."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from django.http import QueryDict
from django.urls import Resolver404, resolve

from tests.atelier.fuzz.hostile import IN_PATH, IN_QUERY, TEXTS, WORST_QUERIES, WORST_TEXTS, Hostile
from tests.atelier.fuzz.world import World
from tests.atelier.test_access import ROUTES

WORDS = {"kind": "openai", "action": "replace", "part": "texts", "split": "train", "move": "cancel"}
A_NAME, A_FIELD, A_SEGMENT, MOST = 1, 2, 1, 60
GOOD = {"questions/new": "kind=label", "/compare": "with=1"}  # without which a route shows nothing, by its end
# Routes that want a state which the project does not have: an archived endpoint, figures of a training, a filled form, an
# invitation of somebody who is already in the team.
EXCUSED = {"restore_endpoint", "run_metrics", "bulk_count", "accept_invitation", "decline_invitation"}
ID = re.compile(r"^(?:<int:\w+>|\(\?P<\w+>\\d\+\))$")


class PageRequest(NamedTuple):
    """A request of a page. `what` states what is hostile in it; empty when it is a valid one."""

    route: str
    method: str
    url: str
    body: bytes
    what: str

    def __str__(self) -> str:
        return f"{self.method} {self.url[:160]} {self.body[:200]!r} ({self.what[:80]})"


class FieldReads:
    """The names that views and forms read from `request.GET` and `request.POST`, by route, while `names` is set."""

    def __init__(self, monkeypatch: Any) -> None:
        self.by_route: dict[str, set[str]] = defaultdict(set)
        self.route = ""
        for method in ("get", "getlist", "__getitem__", "__contains__"):
            monkeypatch.setattr(QueryDict, method, self._noting(getattr(QueryDict, method)))

    def _noting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def noted(fields: QueryDict, name: Any, *more: Any) -> Any:
            if isinstance(name, str) and name.isprintable() and len(name) < 60:
                self.by_route[self.route].add(name)
            return real(fields, name, *more)

        return noted


class PageForms(HTMLParser):
    """The forms of a page: (method, action, {name: value}); and the addresses of its links."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, str, dict[str, str]]] = []
        self.links: set[str] = set()
        self._name = ""

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in given}
        self.links |= {has[name] for name in ("href", "hx-get", "hx-post") if name in has}
        if tag == "form":
            self.forms.append((has.get("method", "get").upper(), has.get("action", ""), {}))
        elif self.forms and (name := has.get("name")):
            fields = self.forms[-1][2]
            if tag == "select":
                self._name = name
            elif (
                tag != "input" or has.get("type") not in ("checkbox", "radio") or "checked" in has or name not in fields
            ):
                fields[name] = has.get("value", "on" if has.get("type") == "checkbox" else "")
        elif (
            tag == "option" and self.forms and self._name and ("selected" in has or self._name not in self.forms[-1][2])
        ):
            self.forms[-1][2][self._name] = has.get("value", "")


def concrete(route: str, world: World) -> str:
    """Return a path of the route: ids that exist after the word before them; of other choices the first or a known word."""
    parts = route.replace("^", "").replace("$", "").replace("\\.", ".").split("/")
    for place, part in enumerate(parts):
        if ID.match(part):
            parts[place] = str(world.ids.get(parts[place - 1], 1))
        elif "<" in part:
            part = re.sub(r"\(\?P<\w+>([^|)]*)[^)]*\)", r"\1", part)
            part = part.replace("<str:kind>", "csv")
            part = part.replace("<slug:part>", "checkpoints") if parts[place - 1] == "free" else part
            parts[place] = re.sub(r"<\w+:(\w+)>", lambda found: (world.words | WORDS)[found[1]], part)
    return "/" + "/".join(parts)


def route_of(path: str) -> str:
    try:
        return resolve(path).route
    except Resolver404:
        return ""


class PageRequests:
    """All requests, made by one seed, from what the pages showed and the views read."""

    def __init__(self, world: World, read: FieldReads) -> None:
        self.world, self.read, self.hostile = world, read, Hostile()
        self.forms: dict[str, list[tuple[str, dict[str, str]]]] = defaultdict(list)
        self.queries: dict[str, set[str]] = defaultdict(set)
        self.paths = {route: concrete(route, world) for _, route in ROUTES}

    def learn(self, route: str, path: str, page: bytes) -> None:
        """Add the forms and the links of a page."""
        seen = PageForms()
        seen.feed(page.decode("utf-8", "replace"))
        for method, action, fields in seen.forms:
            target = urlsplit(action or path)
            if method == "POST":
                self.forms[route_of(target.path)].append((action or path, fields))
            else:
                self.queries[route_of(target.path)] |= set(fields)
        for link in seen.links:
            target = urlsplit(link)
            self.queries[route_of(target.path or path)] |= {name for name, _ in parse_qsl(target.query)}

    @staticmethod
    def good(path: str) -> str:
        """Return the query without which the path shows nothing."""
        return next((query for end, query in GOOD.items() if path.endswith(end)), "")

    def first(self) -> Iterator[PageRequest]:
        """Yield a valid request of each route, by which names and forms are learned."""
        for route, path in self.paths.items():
            address = f"{path}?{good}" if (good := self.good(path)) else path
            yield PageRequest(route, "GET", address, b"", "")
            yield PageRequest(route, "POST", address, b"", "")

    def all(self) -> Iterator[PageRequest]:
        for route, path in self.paths.items():
            yield from self._gets(route, path)
            yield from self._posts(route, path)

    def _gets(self, route: str, path: str) -> Iterator[PageRequest]:
        names = (self.read.by_route[route] | self.queries[route]) - {"csrfmiddlewaretoken"}
        asks = [PageRequest(route, "GET", f"{path}?{self.good(path)}&{name}={quote(bad)}", b"", f"?{name}")
                for name in sorted(names) for bad in [*WORST_QUERIES, *self.hostile.draw(IN_QUERY, A_NAME)]]  # fmt: skip
        parts = path.split("/")
        for place, part in enumerate(parts):
            for bad in self.hostile.draw(IN_PATH, A_SEGMENT) if part.isdigit() else ():
                asks.append(
                    PageRequest(route, "GET", "/".join([*parts[:place], bad, *parts[place + 1 :]]), b"", "path")
                )
        yield from self._some(asks)

    def _posts(self, route: str, path: str) -> Iterator[PageRequest]:
        read = dict.fromkeys(self.read.by_route[route] | self.queries[route], "1")
        forms = self.forms[route] or [(path, {})]
        unlike = {tuple(sorted(fields)): (action, fields) for action, fields in forms}
        asks = []
        for action, fields in unlike.values():
            yield PageRequest(route, "POST", action, urlencode(fields).encode(), "")
            for name in sorted({**read, **fields}):
                for bad in [WORST_TEXTS[0], WORST_QUERIES[0], *self.hostile.draw(TEXTS, A_FIELD)]:
                    asks.append(PageRequest(route, "POST", action, _encoded({**fields, name: bad}), name))
        yield from self._some(asks)

    def _some(self, asks: list[PageRequest]) -> list[PageRequest]:
        return asks if len(asks) <= MOST else self.hostile.random.sample(asks, MOST)


def _encoded(fields: dict[str, str]) -> bytes:
    return urlencode(fields, errors="surrogatepass").encode()
