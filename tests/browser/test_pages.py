"""Whatever people, files and models wrote, no page runs it: hostile text in every field, every page in a browser."""

import re
from collections.abc import Iterator

import pytest
from django.urls import URLPattern, get_resolver

from tests.browser.visitor import Visitor
from tests.system.installation import running

pytestmark = pytest.mark.browser
# By the first words of an address: what `pk` means there.
MEANING = [
    ("data/imports/", "import"), ("data/bulk/", "bulk"), ("data/deletions/", "deletion"), ("data/erasures/", "erasure"), ("data/checks/", "check"), ("data/exports/", "export"),
    ("selections/", "selection"), ("settings/webhooks/", "webhook"), ("records/", "record"), ("distil/", "distillation"),
    ("versions/", "version"), ("train/", "run"), ("models/downloads/", "pull"), ("models/", "deployment"),
    ("compare/", "comparison"), ("evaluate/", "evaluation"), ("settings/endpoints/", "endpoint"),
]  # fmt: skip
OTHER = {
    "kind": ["openai", "mistral", "recorded"],
    "split": ["train"],
    "form": ["csv"],
    "move": [],
    "change_id": [],
    "action": ["label", "replace", "copy"],
    "part": [],
    "code": ["x"],
    "annotation_id": [],
    "comment_id": [],
    "span": ["abcdef012345"],
}
LEFT_OUT = ("api/", "stream", "health", "sign-out", "register")
# A link of ours may name a hostile label in its search, encoded.
INJECTED = """() => [...document.querySelectorAll(
  "canary-x, iframe, script:not([src]):not([type='application/json']), img[src*=evil], svg[onload], a[href^='javascript']," +
  "[hx-get*=evil]:not([hx-get^='/projects/']), [data-stream*=evil], [data-url*=evil], [style*=evil], [onerror]")].map((e) => e.outerHTML.slice(0, 160))"""


def routes(patterns: list, prefix: str = "") -> Iterator[str]:
    """Yield every URL of the app with its placeholders, as `<pk>`."""
    for pattern in patterns:
        route = prefix + re.sub(r"\\(.)", r"\1", str(pattern.pattern).lstrip("^").rstrip("$"))
        if isinstance(pattern, URLPattern):
            yield re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", re.sub(r"<\w+:(\w+)>", r"<\1>", route))
        else:
            yield from routes(pattern.url_patterns, route)


def addresses(ids: dict) -> list[str]:
    """Return all URLs that can be requested, filled with the ids of what was planted."""
    found = []
    for route in routes(get_resolver().url_patterns):
        if any(word in route for word in LEFT_OUT):
            continue
        meaning = next((name for start, name in MEANING if start in route.replace("projects/<project_id>/", "")), "")
        filled = [route.replace("<pk>", str(ids.get(meaning, "")))]
        for place in set(re.findall(r"<(\w+)>", filled[0])):
            values = [ids[place]] if place in ids else OTHER[place]
            filled = [one.replace(f"<{place}>", str(value)) for one in filled for value in values]
        found += ["/" + one for one in filled]
    return found


def test_hostile_text_stays_text_on_every_page(tmp_path, visit):
    with running(tmp_path / "data", "redis", "web") as installation:
        ids = installation.run("from tests.browser import canaries\nresult = canaries.plant()")
        visitor = visit(installation.base_url)
        visitor.sign_in(ids["username"], "a-long-password")
        data, project = f"/projects/{ids['project_id']}/data", f"/projects/{ids['project_id']}/"
        more = [
            f"{data}/{ids['target']}/", f"{data}/imports/{ids['draft']}", f"{data}/{ids['target']}/records/{ids['made']}",
            f"{data}/{ids['pairs']}/records/{ids['preference']}", f"{data}/{ids['dataset_id']}/records/{ids['record']}?edit=1",
            f"{data}/{ids['dataset_id']}/?q=%22%3E%3Ccanary-x%3E", "/?all",
            *(f"{data}/{ids['dataset_id']}/questions/new?kind={kind}" for kind in ("text", "label", "ranking", "spans")),
        ]  # fmt: skip
        seen = [address for address in [*addresses(ids), *more] if is_page(visitor, address)]
        injected = [f"{address}: {found}" for address in seen for found in looked(visitor, address)]
        assert injected == []
        assert visitor.complaints == []
        assert len(seen) > 50, f"only {len(seen)} pages were seen"
        assert {project, f"{data}/imports/{ids['draft']}"} <= set(seen)


def is_page(visitor: Visitor, address: str) -> bool:
    """Return whether the URL answers GET with a whole page. None may break."""
    answer = visitor.context.request.get(address, timeout=120_000)
    assert answer.status < 500, f"{address} answered {answer.status}"
    return answer.status == 200 and answer.text().lower().startswith("<!doctype html>")


def looked(visitor: Visitor, address: str) -> list[str]:
    """Return the hostile texts that became an element on this page, folded parts opened."""
    visitor.go(address)
    visitor.page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    return visitor.page.evaluate(INJECTED)
