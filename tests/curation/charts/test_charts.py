"""The charts of a dataset: the map as a job, its points, what a line drawn on it chooses, and who may."""

import json

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from atelier.jobs.claims import Claim, JobCancelled
from curation.charts import figures as chart_figures
from curation.charts import maps, selections
from curation.datasets import settings
from curation.models import Check, Dataset, Record, SelectedRecord, Selection
from curation.quality import jobs
from curation.tasks import check
from tests.conftest import signed_in
from tests.curation.quality.test_jobs import make, run

TEXTS = (
    "The council voted to ban parking in the street near the school.",
    "The council will vote on parking and the school street in June.",
    "A storm with heavy rain and wind closed the harbour.",
    "Wind and rain from the storm flooded the harbour road.",
)


@pytest.fixture
def chats(project, alice) -> Dataset:
    return settings.create(project, alice, "Chats")


@pytest.fixture
def mapped(chats) -> Dataset:
    make(chats, *TEXTS)
    run(chats, "map")
    return chats


def put(dataset: Dataset, *spots: tuple[float, float]) -> list[Record]:
    """Create records at places on the map."""
    rows = make(dataset, *(f"Record {n}" for n in range(len(spots))))
    for row, (x, y) in zip(rows, spots, strict=True):
        Record.objects.filter(pk=row.pk).update(map_x=x, map_y=y)
    return rows


def unpacked(data: bytes) -> dict:
    size = int.from_bytes(data[:4], "little")
    head = json.loads(data[4 : 4 + size])
    count, at = head["count"], 4 + size
    assert at % 4 == 0
    head["ids"] = (np.frombuffer(data, "<u4", count, at) + head["first"]).tolist()
    head["x"] = np.frombuffer(data, "<f4", count, at + 4 * count)
    head["y"] = np.frombuffer(data, "<f4", count, at + 8 * count)
    assert len(data) == at + count * (12 + len(head["colours"]))
    for place, (name, names) in enumerate(head["colours"].items()):
        start = at + count * (12 + place)
        head[name] = [names[code] for code in data[start : start + count]]
    return head


# --- the job ---


def test_every_record_gets_a_place_and_keeps_its_revision(mapped):
    for record in mapped.records.all():
        assert 0 <= record.map_x <= 1
        assert 0 <= record.map_y <= 1
        assert record.revision == 1
    job = Check.objects.get(part="map")
    assert (job.found["records"], job.found["moved"], job.done) == (4, 4, 4)


def test_a_drawn_map_leads_to_the_map(mapped, as_bob):
    job = Check.objects.get(part="map")
    page = as_bob.get(reverse("curation:check", args=[mapped.project_id, job.pk])).content.decode()
    assert f'<a href="{reverse("curation:charts", args=[mapped.project_id, mapped.pk])}">see the map</a>' in page
    assert "What was found" not in page


def test_drawn_again_without_a_change_nothing_is_written(mapped):
    assert run(mapped, "map").found["moved"] == 0


def test_a_record_that_came_later_waits_until_the_map_is_drawn_again(mapped):
    [late] = make(mapped, "Later the council spoke of parking again.")
    assert (chart_figures.on_map(mapped), chart_figures.without_place(mapped)) == (4, 1)
    run(mapped, "map")
    late.refresh_from_db()
    assert late.map_x is not None
    assert chart_figures.without_place(mapped) == 0


def test_a_map_killed_while_it_is_written_ends_the_same_when_done_again(chats, monkeypatch):
    make(chats, *TEXTS, *(f"{text} Again." for text in TEXTS))
    expected = {row.pk: None for row in chats.records.all()}
    monkeypatch.setattr(maps, "WRITTEN", 3)
    job = jobs.begin(chats, None, "map")
    changed, calls = maps._changed, []

    def dying(*given):
        calls.append(1)
        if len(calls) == 2:
            raise SystemExit
        return changed(*given)

    monkeypatch.setattr(maps, "_changed", dying)
    with pytest.raises(SystemExit):
        check(job.pk)
    assert chart_figures.on_map(chats) == 3
    halfway = dict(chats.records.exclude(map_x=None).values_list("pk", "map_x"))
    check(job.pk)
    job.refresh_from_db()
    assert (job.status, job.found["moved"]) == ("done", 5)
    after = dict(chats.records.values_list("pk", "map_x"))
    assert after.keys() == expected.keys()
    assert halfway.items() <= after.items()


def test_a_map_can_be_cancelled(chats):
    make(chats, *TEXTS)
    job = jobs.begin(chats, None, "map")
    claim = Claim(Check.claim_row(job.pk, 60))
    job.cancel()
    with pytest.raises(JobCancelled):
        maps.run(claim)
    assert chart_figures.on_map(chats) == 0


def test_a_map_of_nothing_ends_well(chats):
    assert run(chats, "map").line == "There are no records to place."


# --- figures ---


def test_bars_have_one_width_and_hold_every_record(chats):
    for words in (0, 3, 7, 12, 12, 31, 5000):
        [row] = make(chats, "x")
        Record.objects.filter(pk=row.pk).update(words=words)
    bars = chart_figures.lengths(chats)
    assert sum(bar.count for bar in bars) == 7
    assert len({bar.high - bar.low for bar in bars if bar.high is not None}) == 1
    assert {bar.low for bar in bars[1:]} == {bar.high + 1 for bar in bars[:-1]}


def test_a_bar_finds_the_records_it_counts(chats, as_vic):
    for words in (*range(40), *[10] * 60, 9000):
        [row] = make(chats, "x")
        Record.objects.filter(pk=row.pk).update(words=words)
    from curation.search.filters import Filters

    bars = chart_figures.lengths(chats)
    assert bars[-1].high is None
    for bar in bars:
        assert Filters.read({"q": bar.term}).records(chats).count() == bar.count


def test_balances_are_those_of_the_tallies(chats):
    rows = make(chats, *TEXTS)
    Record.objects.filter(pk=rows[0].pk).update(status="accepted", labels=["<b>x</b>"])
    found = {
        name: {line.text: (line.count, line.share) for line in lines}
        for name, _, lines in chart_figures.balances(chats)
    }
    assert found["status"] == {"To review": (3, 0.75), "Accepted": (1, 0.25)}
    assert found["label"] == {"<b>x</b>": (1, 0.25)}


def test_the_largest_groups_come_first(chats):
    rows = make(chats, *"abcdef")
    Record.objects.filter(pk__in=[row.pk for row in rows[:2]]).update(cluster=rows[0].pk)
    Record.objects.filter(pk__in=[row.pk for row in rows[2:5]]).update(cluster=rows[2].pk)
    Record.objects.filter(pk=rows[5].pk).update(cluster=rows[5].pk)
    assert [(row["cluster"], row["size"]) for row in chart_figures.groups(chats)] == [(rows[2].pk, 3), (rows[0].pk, 2)]


# --- points ---


def test_points_say_where_each_record_lies_and_what_it_is(chats):
    rows = put(chats, (0.25, 0.5), (0.75, 0.125), (0.5, 0.5), (0.9, 0.9))
    Record.objects.filter(pk=rows[0].pk).update(status="accepted", labels=["news"], language="fr", cluster=rows[0].pk)
    Record.objects.filter(pk=rows[1].pk).update(cluster=rows[0].pk)
    chats.records.filter(pk=rows[3].pk).update(deleted_at=rows[0].created_at)
    make(chats, "Without a place")
    found = unpacked(chart_figures.points(chats))
    assert found["ids"] == [row.pk for row in rows[:3]]
    assert (found["x"].tolist(), found["y"].tolist()) == ([0.25, 0.75, 0.5], [0.5, 0.125, 0.5])
    assert found["status"] == ["Accepted", "To review", "To review"]
    assert found["label"] == ["news", "none", "none"]
    assert found["language"] == ["fr", "none", "none"]
    assert found["cluster"] == [f"group {rows[0].pk}"] * 2 + ["none"]


def test_rare_values_share_one_colour(chats):
    rows = put(chats, *[(0.5, 0.5)] * 12)
    for place, row in enumerate(rows):
        Record.objects.filter(pk=row.pk).update(language=f"x{max(0, place - 1)}")
    found = unpacked(chart_figures.points(chats))
    assert found["language"][:2] == ["x0", "x0"]
    assert found["language"].count("others") == 11 - chart_figures.COLOURS
    assert len(found["colours"]["language"]) == chart_figures.COLOURS + 1


def test_of_very_many_records_a_part_is_drawn(chats, monkeypatch):
    put(chats, *[(0.5, 0.5)] * 9)
    monkeypatch.setattr(chart_figures, "POINTS", 3)
    found = unpacked(chart_figures.points(chats))
    assert found["total"] == 9
    assert found["count"] == 3


def test_no_points_are_an_answer_too(chats):
    assert unpacked(chart_figures.points(chats))["ids"] == []


# --- lassos ---


def test_a_line_chooses_what_lies_inside_it(chats, bob):
    rows = put(chats, (0.1, 0.1), (0.5, 0.5), (0.6, 0.55), (0.9, 0.9))
    chosen = selections.choose(chats, bob, selections.corners("[[0.4,0.4],[0.8,0.4],[0.6,0.8]]"), " two  points ")
    assert (chosen.size, chosen.name) == (2, "two points")
    assert set(chosen.entries.values_list("record_id", flat=True)) == {rows[1].pk, rows[2].pk}


def test_inside_agrees_with_a_ray_by_hand():
    ring = selections.corners(
        [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0], [0.3, 0.3], [0.3, 0.7], [0.7, 0.7], [0.7, 0.3], [0.3, 0.3]]
    )
    points = np.array([[0.5, 0.5], [0.1, 0.5], [0.9, 0.9], [1.1, 0.5], [-0.1, 0.2]])
    assert selections.inside(points, ring).tolist() == [False, True, True, False, False]


def test_a_selection_is_of_its_own_dataset_only(chats, project, alice):
    other = settings.create(project, alice, "Other")
    put(other, (0.5, 0.5))
    with pytest.raises(ValidationError, match="The lasso contains no records"):
        selections.choose(chats, alice, selections.rectangle(0, 1, 0, 1))


@pytest.mark.parametrize(
    "given",
    ["", "x", "[]", "[[0,0],[1,1]]", '[[0,0],[1,1],["0",1]]', "[[0,0],[1,1],[NaN,1]]", "[[0,0],[1,1],[1e9,1]]", "{}", "[[0,0],[1,1],[true,1]]",
     json.dumps([[0, 0]] * 2001)],
)  # fmt: skip
def test_what_is_no_line_is_refused(given):
    with pytest.raises(ValidationError):
        selections.corners(given)


def test_too_many_records_inside_are_refused_and_leave_nothing_behind(chats, alice, monkeypatch):
    put(chats, *[(0.5, 0.5)] * 4)
    monkeypatch.setattr(selections, "MOST", 3)
    with pytest.raises(ValidationError, match="more than 3 records"):
        selections.choose(chats, alice, selections.rectangle(0, 1, 0, 1))
    assert not Selection.objects.exists()


def test_a_selection_that_never_became_whole_is_not_shown_and_made_anew_by_its_key(chats, alice, monkeypatch):
    put(chats, *[(0.5, 0.5)] * 6)
    monkeypatch.setattr(selections, "WRITTEN", 2)
    add, calls = selections._add, []

    def dying(*given):
        calls.append(1)
        if len(calls) == 2:
            raise SystemExit
        return add(*given)

    monkeypatch.setattr(selections, "_add", dying)
    with pytest.raises(SystemExit):
        selections.choose(chats, alice, selections.rectangle(0, 1, 0, 1), key="k")
    assert not selections.listed(chats).exists()
    with pytest.raises(ValidationError, match="already in progress"):
        selections.choose(chats, alice, selections.rectangle(0, 1, 0, 1), key="k")
    from datetime import timedelta

    Selection.objects.update(created_at=Selection.objects.get().created_at - timedelta(minutes=2))
    made = selections.choose(chats, alice, selections.rectangle(0, 1, 0, 1), key="k")
    assert made.size == made.entries.count() == 6
    assert selections.choose(chats, alice, selections.rectangle(0, 1, 0, 1), key="k").pk == made.pk
    assert Selection.objects.count() == 1


def test_deleting_a_selection_leaves_its_records(chats, alice, monkeypatch):
    put(chats, *[(0.5, 0.5)] * 5)
    monkeypatch.setattr(selections, "WRITTEN", 2)
    selections.delete(selections.choose(chats, alice, selections.rectangle(0, 1, 0, 1)))
    assert (Selection.objects.count(), SelectedRecord.objects.count(), chats.records.count()) == (0, 0, 5)


# --- pages ---


@pytest.fixture
def address(project, chats) -> str:
    return f"/projects/{project.pk}/data/{chats.pk}"


def test_the_page_shows_figures_before_there_is_a_map(address, chats, as_bob, as_vic):
    assert "No records yet" in as_bob.get(f"{address}/charts").text
    make(chats, *TEXTS)
    page = as_bob.get(f"{address}/charts").text
    assert "No map yet" in page
    assert "Length in words" in page
    assert "Draw the map" in page
    assert "Draw the map" not in as_vic.get(f"{address}/charts").text
    assert "Length in tokens" in as_bob.get(f"{address}/charts?unit=tokens").text
    assert "Length in words" in as_bob.get(f"{address}/charts?unit=id").text


def test_the_map_is_drawn_by_a_click_and_then_shown(address, chats, as_bob):
    make(chats, *TEXTS)
    started = as_bob.post(f"{address}/checks/map")
    job = Check.objects.get(part="map")
    assert started.url.endswith(f"/data/checks/{job.pk}")
    check(job.pk)
    assert f"{address}/charts" in as_bob.get(started.url).text
    page = as_bob.get(f"{address}/charts").text
    assert f'data-map="{address}/charts/points"' in page
    points = as_bob.get(f"{address}/charts/points")
    assert (points["Content-Type"], unpacked(points.content)["count"]) == ("application/octet-stream", 4)


def test_a_line_leads_to_the_list_of_what_it_chose(address, chats, as_ann):
    rows = put(chats, (0.1, 0.1), (0.5, 0.5))
    answer = as_ann.post(f"{address}/charts/choose", {"polygon": "[[0.4,0.4],[0.6,0.4],[0.6,0.6],[0.4,0.6]]"})
    made = Selection.objects.get()
    assert answer.url == f"{address}/?q=in%3A{made.pk}"
    page = as_ann.get(answer.url).text
    assert f"/records/{rows[1].pk}" in page or "Record 1" in page
    assert "Record 0" not in page


def test_a_rectangle_of_numbers_does_the_same_without_a_script(address, chats, as_ann):
    put(chats, (0.1, 0.1), (0.5, 0.5))
    sides = {"left": "40", "right": "60", "bottom": "40", "top": "60"}
    as_ann.post(f"{address}/charts/choose", sides)
    assert Selection.objects.get().size == 1
    for wrong in ({"left": "80"}, {"left": "x"}, {"left": "nan"}, {"polygon": "no"}):
        assert as_ann.post(f"{address}/charts/choose", sides | wrong).url == f"{address}/charts"
    assert Selection.objects.count() == 1


def test_a_point_tells_its_preview_as_text(address, chats, as_vic):
    [record] = make(chats, "<script>alert(1)</script> hello")
    answer = as_vic.get(f"{address}/charts/points/{record.pk}")
    assert answer.json()["preview"].startswith("<script>")
    assert answer["Content-Type"] == "application/json"
    assert as_vic.get(f"{address}/charts/points/{record.pk + 1}").status_code == 404


def test_selections_are_listed_renamed_and_deleted(address, chats, as_bob, bob):
    put(chats, (0.5, 0.5))
    made = selections.choose(chats, bob, selections.rectangle(0, 1, 0, 1), "<b>mine</b>")
    assert "&lt;b&gt;mine&lt;/b&gt;" in as_bob.get(f"{address}/selections").text
    as_bob.post(f"{address}/selections/{made.pk}/rename", {"name": "Others"})
    assert "Others" in as_bob.get(f"{address}/selections").text
    as_bob.post(f"{address}/selections/{made.pk}/rename", {"name": "x" * 121})
    made.refresh_from_db()
    assert made.name == "Others"
    as_bob.post(f"{address}/selections/{made.pk}/delete")
    assert "No selections yet" in as_bob.get(f"{address}/selections").text


GET = ("charts", "charts/points", "charts/points/{record}", "selections")
POST = {
    "charts/choose": "annotator",
    "selections/{selection}/rename": "editor",
    "selections/{selection}/delete": "editor",
}
ROLES = {"owner": "alice", "editor": "bob", "annotator": "ann", "viewer": "vic"}
RANKS = list(ROLES)


@pytest.mark.parametrize("path", GET)
def test_all_of_the_team_may_look_and_nobody_else(path, address, chats, alice, bob, ann, vic, charlie):
    [record] = put(chats, (0.5, 0.5))
    url = f"{address}/{path.format(record=record.pk)}"
    assert [signed_in(one).get(url).status_code for one in (alice, bob, ann, vic, charlie)] == [200, 200, 200, 200, 404]
    assert signed_in(alice).post(url).status_code == 405


@pytest.mark.parametrize("path", POST)
def test_each_role_may_do_what_it_may(path, address, chats, alice, bob, ann, vic, charlie):
    people = {"owner": alice, "editor": bob, "annotator": ann, "viewer": vic}
    for role, person in people.items():
        put(chats, (0.5, 0.5))
        made = selections.choose(chats, alice, selections.rectangle(0, 1, 0, 1))
        url = f"{address}/{path.format(selection=made.pk)}"
        may = RANKS.index(role) <= RANKS.index(POST[path])
        form = {"polygon": "[[0,0],[1,0],[1,1],[0,1]]", "name": "n"}
        assert signed_in(person).post(url, form).status_code == (302 if may else 403), role
        assert signed_in(charlie).post(url, form).status_code == 404


# --- REST ---


def post(client, path, body, **headers):
    return client.post(path, json.dumps(body), content_type="application/json", headers=headers)


def test_figures_points_and_selections_by_rest(project, chats, bob_api):
    rows = put(chats, (0.1, 0.1), (0.5, 0.5))
    root = f"/api/projects/{project.pk}/datasets/{chats.pk}"
    figures = bob_api.get(f"{root}/charts").json()
    assert (figures["on_map"], figures["without_place"], figures["groups"]) == (2, 0, [])
    assert sum(bar["count"] for bar in figures["lengths"]) == 2
    assert figures["balances"]["status"] == [{"text": "To review", "count": 2, "share": 1.0, "term": "status:new"}]
    assert unpacked(bob_api.get(f"{root}/map").content)["ids"] == [row.pk for row in rows]
    body = {"polygon": [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]], "name": "middle"}
    made = [post(bob_api, f"{root}/selections", body, **{"Idempotency-Key": "k"}) for _ in range(2)]
    assert [one.status_code for one in made] == [201, 201]
    assert made[0].json() == made[1].json()
    one = made[0].json()
    assert (one["size"], one["query"]) == (1, f"in:{one['id']}")
    found = bob_api.get(f"{root}/records", {"q": one["query"]}).json()["items"]
    assert [row["id"] for row in found] == [rows[1].pk]
    url = f"{root}/selections/{one['id']}"
    assert bob_api.patch(url, json.dumps({"name": "new"}), content_type="application/json").json()["name"] == "new"
    assert [row["name"] for row in bob_api.get(f"{root}/selections").json()] == ["new"]
    assert bob_api.delete(url).status_code == 204
    assert post(bob_api, f"{root}/selections", {"polygon": [[0, 0]]}).status_code == 422
    assert post(bob_api, f"{root}/selections", body | {"ids": [1]}).status_code == 422


def test_rest_asks_for_the_same_roles(project, chats, team, ann, vic, charlie):
    from django.test import Client

    from atelier.accounts.models import APIKey, Membership

    put(chats, (0.5, 0.5))
    made = selections.choose(chats, ann, selections.rectangle(0, 1, 0, 1))
    root = f"/api/projects/{project.pk}/datasets/{chats.pk}"
    body = {"polygon": [[0, 0], [1, 0], [1, 1]], "name": "n"}

    def codes(user):
        key = APIKey.issue(Membership.objects.get(user=user).team, user, "t")[1]
        client = Client(headers={"Authorization": f"Bearer {key}"})
        return [
            *(client.get(f"{root}/{path}").status_code for path in ("charts", "map", "selections")),
            post(client, f"{root}/selections", body | {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}).status_code,
            client.patch(f"{root}/selections/{made.pk}", '{"name": "x"}', content_type="application/json").status_code,
            client.delete(f"{root}/selections/{made.pk}").status_code,
        ]

    assert codes(vic) == [200, 200, 200, 403, 403, 403]
    assert codes(ann) == [200, 200, 200, 201, 403, 403]
    assert codes(charlie) == [404] * 6
