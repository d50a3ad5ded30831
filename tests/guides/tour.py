"""A walk through the API that the guides show, in one process: every answer is kept under its operation."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from curation.models import Dataset
from tests.curation.teacher import teacher_server
from tests.fakes.webhook_receiver import receiver
from tests.guides.operations import Operation, find

LABEL_STUDIO = Path(__file__).resolve().parents[1] / "fixtures" / "label_studio"

REWRITE = "Rewrite the news brief as a Plain Desk brief."
BRIEFS = [
    ("local politics", "HUGE night at Fennick Town Hall! The council voted 7 to 2 to ban parking on Quay Street.", "Fennick bans parking"),
    ("sport", "Goal after goal after goal! Pellhaven beat Brackwater 4 to 1, and I lost my voice.", "Pellhaven win 4-1"),
    ("weather", "Did you SEE that hail?! Stones as big as plums, Nettlebury, and cracked windshields everywhere.", "Hail hits Nettlebury"),
    ("science", "A comet, folks. You can see it from Corrick on Friday, says Linus Orde, if the clouds are kind.", "Comet over Corrick"),
]  # fmt: skip


class Tour:
    """Clients by the person's name; `said` holds (operation, status, answer), `asked` what was sent: (url, body or None)."""

    def __init__(self, keys: dict[str, str], project: int) -> None:
        self.clients = {name: Client(headers={"Authorization": f"Bearer {key}"}) for name, key in keys.items()}
        self.root = f"/api/projects/{project}"
        self.said: dict[Operation, list[tuple[int, Any]]] = defaultdict(list)
        self.asked: dict[Operation, list[tuple[str, Any]]] = defaultdict(list)

    def __call__(self, who: str, call: str, body: Any = None, *, status: int = 200, form: Any = None) -> Any:
        """Send a call: a method and a path, below the project unless it begins with /api."""
        method, path = call.split(" ", 1)
        url = path if path.startswith("/api") else self.root + path
        sent = {"data": form} if form else {"data": json.dumps(body or {}), "content_type": "application/json"}
        answer = getattr(self.clients[who], method.lower())(url, **(sent if method != "GET" else {}))
        assert answer.status_code == status, (call, answer.status_code, answer.content[:400])
        operation = find(method, url.split("?")[0])
        assert operation, call
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        found = answer.json() if is_json and answer.content else None
        self.said[operation].append((status, found))
        self.asked[operation].append((url, None if form else body))
        return found


def rows(rounds: int) -> list[dict[str, Any]]:
    return [
        {"id": f"a{n}-{m}", "topic": topic, "messages": [
            {"role": "system", "content": REWRITE}, {"role": "user", "content": f"{said} No. {n}."},
            {"role": "assistant", "content": f"{head}\n\nReport {n} said so. See &amp; tell."}]}
        for n in range(rounds) for m, (topic, said, head) in enumerate(BRIEFS)
    ]  # fmt: skip


def file(name: str, text: str) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode())


def the_data(tour: Tour) -> str:
    """Walk through imports, checks, finding, reviewing, bulk actions. Returns the dataset's path."""
    tour("bob", "GET /api/me")
    tour("bob", "POST /api/projects", {"name": "Plain Desk, again"}, status=201)
    pk = tour("bob", "POST /datasets", {"name": "Briefs"}, status=201)["id"]
    here = f"/datasets/{pk}"
    made = tour("bob", f"POST {here}/imports", {"rows": [*rows(10), {"id": "x", "messages": []}]}, status=202)["id"]
    tour("bob", f"POST {here}/imports", {"rows": [], "x": 1}, status=422)
    tour("bob", f"GET /imports/{made}")
    tour("bob", f"GET /imports/{made}/issues")
    again = file("more.csv", "question,answer\nHow tall is the tower?,It is 40 metres tall.\n")
    tour("bob", f"POST {here}/imports/file", form={"file": again}, status=202)
    check = tour("bob", f"POST {here}/checks", {"part": "duplicates", "threshold": 0.5}, status=202)["id"]
    tour("bob", f"GET /checks/{check}")
    for part in ("problems", "duplicates", "clusters", "facets?q=sport", "complete?q=lab", "charts"):
        tour("bob", f"GET {here}/{part}")
    tour("bob", f"POST {here}/filters", {"name": "Sport", "filters": {"q": "topic:sport"}}, status=201)
    first = tour("bob", f"GET {here}/records?status=new&limit=1&sort=oldest")["items"][0]
    record = f"{here}/records/{first['id']}"
    tour("ann", f"PATCH {record}", {"revision": first["revision"], "status": "accepted"})
    tour("bob", f"PATCH {record}", {"revision": first["revision"], "status": "rejected"}, status=409)
    tour("bob", f"GET {record}")
    tour("bob", f"GET {record}/changes")
    wish = {"action": "replace", "filters": {}, "options": {"find": "Report", "replace": "Reporter"}}
    tour("bob", f"POST {here}/bulk/preview", {**wish, "examples": 1})
    done = tour("bob", f"POST {here}/bulk", wish, status=202)["id"]
    tour("bob", f"POST /bulk/{done}/undo", status=202)
    tour("bob", f"GET /bulk/{done}")
    tour("bob", f"GET /bulk/{done}/failures")
    tour("bob", f"GET {here}/activity?limit=2")
    tour("bob", f"POST {here}/bulk", {"action": "accept", "filters": {"status": "new"}}, status=202)
    return here


def the_people(tour: Tour, here: str) -> None:
    """Walk through questions, the queue, two people who disagree, deciding, reviewing, comments."""
    label = {"title": "Which desk?", "name": "desk", "kind": "label", "options": {"labels": ["News", "Sport"]}}
    tour("bob", f"POST {here}/questions", label, status=201)
    tour("bob", f"GET {here}/questions")
    tour("bob", f"PATCH {here}/queue", {"overlap": 2})
    tour("bob", f"GET {here}/queue")
    tour("bob", f"POST {here}/queue/fill", {"filters": {"status": "accepted"}})
    tour("bob", f"POST {here}/queue/assign", {"users": ["ann"], "filters": {"q": "topic:science"}})
    first = tour("bob", f"GET {here}/records?status=accepted&sort=oldest")["items"][0]["id"]
    guess = {"record": first, "question": "desk", "value": "News", "score": 0.9, "source": "desk-model"}
    tour("bob", f"POST {here}/suggestions", {"suggestions": [guess]})
    last = tour("bob", f"GET {here}/records?status=accepted&sort=newest")["items"][0]["id"]
    tour("bob", f"POST {here}/honeypots", {"honeypots": [{"record": last, "answers": {"desk": "News"}}]})
    tour("bob", f"GET {here}/honeypots")
    for who in ("ann", "alice"):
        held = tour(who, f"POST {here}/queue/next")
        for n in range(8):
            mine = f"/annotations/{held['id']}"
            answers = {"desk": "Sport" if who == "alice" and n % 3 == 0 else "News"}
            tour(who, f"PUT {mine}/draft", {"answers": answers})
            held = tour(who, f"POST {mine}/submit?with_next=true", {"answers": answers, "seconds": 9})["next"]
        tour(who, f"POST /annotations/{held['id']}/skip", {"reason": "Not my desk"})
    tour("alice", f"POST {here}/queue/undo")
    tour("bob", f"GET {here}/annotations")
    tour("ann", f"GET {here}/annotations/mine")
    disagreements = tour("bob", f"GET {here}/disagreements")["items"]
    tour(
        "bob",
        f"POST {here}/disagreements/{disagreements[0]['id']}/settle",
        {"answers": {"desk": "News"}, "note": "A vote."},
    )
    tour("bob", f"GET {here}/disagreements/{disagreements[0]['id']}")
    tour("bob", f"POST {here}/disagreements/{disagreements[0]['id']}/undo")
    said = tour("bob", f"GET {here}/reviewing")["items"]
    tour("bob", f"POST {here}/reviewing/{said[0]['id']}/accept")
    tour("bob", f"POST {here}/reviewing/{said[1]['id']}/return", {"note": "Look again."})
    tour("bob", f"POST {here}/reviewing/{said[2]['id']}/correct", {"answers": {"desk": "Sport"}})
    tour("bob", f"GET {here}/agreement")
    tour("bob", f"POST {here}/agreement", status=202)
    tour("bob", f"GET {here}/progress")
    told = tour("ann", f"POST {here}/records/{first}/comments", {"text": "@bob is this news?"}, status=201)["id"]
    tour("bob", f"GET {here}/records/{first}/comments")
    tour("bob", "GET /mentions?unread=true")
    tour("bob", f"POST {here}/records/{first}/comments/{told}/resolve")
    tour("bob", "POST /mentions/read")


def the_versions(tour: Tour, here: str) -> int:
    """Walk through two versions and their diff, exports, a selection. Returns the first version's id."""
    dataset = int(here.rsplit("/", 1)[1])
    wish = {"dataset": dataset, "notes": "first", "allow_leaks": True, "shares": {"train": 0.6, "test": 0.4}}
    first = tour("bob", "POST /versions", wish, status=201)["id"]
    record = tour("bob", f"GET {here}/records?status=accepted&limit=1")["items"][0]
    whole = tour("bob", f"GET {here}/records/{record['id']}")
    said = [*whole["messages"][:-1], {"role": "assistant", "content": "Comet on Friday\n\nIt comes on Friday."}]
    tour("bob", f"PATCH {here}/records/{record['id']}", {"revision": whole["revision"], "messages": said})
    second = tour("bob", "POST /versions", wish, status=201)["id"]
    for part in (f"/since/{first}?kind=changed", "/lineage", "/verify", "/leaks", "/copies", ""):
        tour("bob", f"GET /versions/{second}{part}")
    tour("bob", f"PATCH /versions/{second}", {"notes": "second"})
    export = tour("bob", "POST /exports", {"dataset": dataset, "format": "sharegpt"}, status=202)["id"]
    tour("bob", f"GET /exports/{export}")
    tour("bob", f"DELETE /exports/{export}", status=204)
    tour("bob", f"POST {here}/checks", {"part": "map"}, status=202)
    line = {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "name": "All"}
    tour("ann", f"POST {here}/selections", line, status=201)
    return int(first)


def the_models(tour: Tour, version: int, url: str) -> None:
    """Walk through a teacher, a distillation and an evaluation, with a server that speaks the protocol."""
    facts = {"name": "Large", "kind": "openai", "url": url, "model": "large"}
    teacher = tour("bob", "POST /endpoints", facts, status=201)["id"]
    raw = tour("bob", "POST /datasets", {"name": "Raw", "kind": "documents"}, status=201)["id"]
    texts = [{"text": said, "topic": topic} for topic, said, _ in BRIEFS]
    tour("bob", f"POST /datasets/{raw}/imports", {"rows": texts}, status=202)
    wish = {"dataset": raw, "teacher": teacher, "template": "{{ text }}", "target_name": "Answered"}
    tour("bob", "POST /distillations/preview", wish)
    made = tour("bob", "POST /distillations", wish, status=201)["id"]
    tour("bob", f"GET /distillations/{made}")
    tour("bob", f"GET /distillations/{made}/ledger")
    asked = {"version": version, "endpoints": [teacher], "rules": RULES}
    made = tour("bob", "POST /evaluations", asked, status=201)["id"]
    tour("bob", f"GET /evaluations/{made}")
    tour("bob", f"GET /evaluations/{made}/scores")


def the_whole(tour: Tour) -> str:
    """Walk through every stage. Jobs must be done at once. Returns the path of the dataset that most of it is about."""
    here = the_data(tour)
    the_people(tour, here)
    version = the_versions(tour, here)
    with teacher_server() as server:
        the_models(tour, version, server.url)
    pairs = [(LABEL_STUDIO / name).read_text(encoding="utf-8") for name in ("pairs_json.json", "pairs.xml")]
    with receiver() as other:
        the_others(tour, other.url, *pairs)
    return here


RULES = '[[rule]]\nid = "1"\ntitle = "Headline"\nkind = "headline"\ngroup = "shape"\nparams = { max_words = 8 }\n'


def the_others(tour: Tour, url: str, export: str, config: str) -> None:
    """Walk through webhooks, and an import from another tool."""
    hook = tour("bob", "POST /webhooks", {"url": url, "events": ["frozen"]}, status=201)["id"]
    tour("bob", f"PUT /webhooks/{hook}", {"url": url, "events": ["frozen", "submitted"]})
    tour("bob", "GET /webhooks")
    tour("bob", f"POST /webhooks/{hook}/secret")
    sent = tour("bob", f"POST /webhooks/{hook}/test", status=201)["id"]
    tour("bob", f"GET /webhooks/{hook}/deliveries")
    tour("bob", f"POST /webhooks/{hook}/deliveries/{sent}/again")
    made = tour("bob", "POST /datasets", {"name": "Pairs", "kind": Dataset.Kind.DOCUMENTS}, status=201)["id"]
    form = {"file": file("pairs.json", export), "labeling_config": config}
    moved = tour("bob", f"POST /datasets/{made}/imports/annotated", form=form, status=202)["id"]
    tour("bob", f"GET /imports/{moved}/annotated")
    deleted = tour("bob", f"DELETE /datasets/{made}", status=202)["id"]
    tour("bob", f"GET /deletions/{deleted}")
