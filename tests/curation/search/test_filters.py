"""Finding records: the language against a database, facets, completion, saved filters; each role at each address."""

import time
from datetime import timedelta

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from curation.datasets import settings
from curation.models import Comment, Dataset, Import, Record, SelectedRecord, Selection
from curation.records import derived
from curation.search import completion, conditions, deadline, facets, filters, fulltext, results
from curation.search import pages as search_pages
from curation.search import saved as saved_filters
from curation.search.dialect import dialect
from curation.search.filters import Filters
from tests.speed import patient


@pytest.fixture
def chats(project, alice) -> Dataset:
    return settings.create(project, alice, "Chats")


def make(dataset: Dataset, text: str, **more) -> Record:
    said = [{"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}]
    record = derived.complete(Record(dataset=dataset, messages=said, **more), dataset)
    for name, value in more.items():
        setattr(record, name, value)
    record.save()
    return record


def found(dataset: Dataset, q: str, **more) -> list[int]:
    return [
        record.pk for record in search_pages.page(Filters.read({"q": q, "sort": "oldest", **more}), dataset).records
    ]


def test_every_name_of_the_language_finds_what_it_says(chats, project, alice):
    job = Import.objects.create(project=project, dataset=chats, original_name="news.csv")
    one = make(
        chats, "solar panels on the roof", status="accepted", split="test", labels=["good"], language="fr", tokens=500,
        reviewed_by=alice, imported_by=job, metadata={"topic": "energy", "rank": 3, "hot": True}, is_checked=True, cluster=4,
        changed_at=timezone.now() - timedelta(days=40), words=70,
    )  # fmt: skip
    two = make(
        chats,
        "the roof of solar panels",
        split="train",
        words=5,
        is_checked=False,
        fields={"status": "open", "a b": "c"},
    )
    Comment.objects.create(record=two, author="bob", text="hm")
    chosen = Selection.objects.create(dataset=chats, name="lasso")
    SelectedRecord.objects.create(selection=chosen, record=two)
    day = (timezone.now() - timedelta(days=10)).date().isoformat()
    first = [
        "status:accepted", "split:test", "label:good", "-label:none", "language:fr", "tokens:>400", "by:alice", "-by:nobody",
        "source:news", f"source:{job.pk}", "topic:energy", "rank:3", "hot:true", "topic:*", '"solar panels on"', "-status:new",
        "is:checked", "is:reviewed", "has:label", "has:duplicate", "cluster:4", f"changed:<{day}", "words:70", "words:>=70",
        "solar label:good", "-train topic:energy", "-has:comment",
    ]  # fmt: skip
    second = [
        "status:new", "has:comment", "field.status:open", '"a b":c', f"in:{chosen.pk}", "words:1..10", f"changed:>{day}",
        "-topic:energy", "by:nobody", "source:none", '-"panels on"', "label:none", "-cluster:4", "assigned:nobody has:comment",
    ]  # fmt: skip
    for q in first:
        assert found(chats, q) == [one.pk], q
    for q in second:
        assert found(chats, q) == [two.pk], q
    assert found(chats, "topic:Energy") == found(chats, "topic:ener") == found(chats, "assigned:alice") == []


SEARCHES = [
    "solar", "sol", "solar -seven", "-seven", '-"panel number 1"', 'number -"panel number 1"', '"panel number"', '"number panel"',
    '"solar panel" words:>1', "label:good", "solar label:good", "solar -label:good", "-seven label:good", "words:>1 panel", "rank:3",
    "rank:3 solar", "has:label", "created:>2020-01-01", "solar created:>2020-01-01", "elsewhere", "!!",
]  # fmt: skip


def some(dataset: Dataset, number: int = 12) -> None:
    names = ("one", "two", "three", "seven")
    for at in range(number):
        make(
            dataset, f"{names[at % 4]} solar panel number {at}", labels=["good"] if at % 2 else [], words=at % 5,
            metadata={"rank": at % 4},
        )  # fmt: skip


def too_slow(seconds: float):
    raise deadline.StatementTooSlow


def slowly(monkeypatch, time: float | None = None) -> None:
    """Simulate very many records, and a database that has no quick way to any of them."""
    for place in (results, fulltext):
        monkeypatch.setattr(place, "PIECES", (2, 3))
    for place, name in (
        (results, "FREQUENT"),
        (fulltext, "GATHERED"),
        (conditions, "PROBED"),
        (search_pages, "LISTED"),
    ):
        monkeypatch.setattr(place, name, 1)
    monkeypatch.setattr(dialect, "LIMIT", time or 100)


@pytest.mark.parametrize("sort", list(filters.SORTS))
@pytest.mark.parametrize("way", ["piece by piece", "each asked", "gathered", "few asked"])
def test_every_way_finds_what_the_plain_condition_finds(chats, monkeypatch, way, sort):
    some(chats)
    plain = {q: set(Filters.read({"q": q}).records(chats).values_list("pk", flat=True)) for q in SEARCHES}
    assert plain["solar"] == set(chats.records.values_list("pk", flat=True))
    slowly(monkeypatch)
    monkeypatch.setattr(results, "ASKED", 100 if way == "few asked" else 1)
    if way == "gathered":
        monkeypatch.setattr(fulltext, "GATHERED", 100)
        monkeypatch.setattr(results, "FREQUENT", 100)
    if way == "piece by piece":
        monkeypatch.setattr(results, "within", too_slow)
    for q in SEARCHES:
        page = search_pages.page(Filters.read({"q": q, "sort": sort}), chats)
        key = {"newest": lambda r: -r.pk, "oldest": lambda r: r.pk, "longest": lambda r: (-r.words, -r.pk),
               "shortest": lambda r: (r.words, r.pk), "changed": lambda r: (-r.changed_at.timestamp(), -r.pk)}[sort]  # fmt: skip
        assert [record.pk for record in page.records] == [r.pk for r in sorted(page.records, key=key)], q
        assert {record.pk for record in page.records} == plain[q], q
        assert (page.count, page.exact, page.is_short) == (len(plain[q]), True, False), q


@pytest.mark.parametrize("sort", ["newest", "oldest", "longest"])
def test_a_page_whose_time_is_over_says_how_far_it_came_and_the_list_goes_on_there(chats, monkeypatch, sort):
    some(chats)
    plain = {q: set(Filters.read({"q": q}).records(chats).values_list("pk", flat=True)) for q in SEARCHES}
    slowly(monkeypatch, time=1e-9)
    monkeypatch.setattr(results, "ASKED", 1)
    monkeypatch.setattr(results, "within", too_slow)
    short = 0
    for q in SEARCHES:
        chosen, seen, cursor = Filters.read({"q": q, "sort": sort}), [], ""
        while True:
            page = search_pages.page(chosen, chats, after=cursor, size=5)
            assert page.count <= len(plain[q])
            assert not page.exact or page.count == len(plain[q])
            seen += [record.pk for record in page.records]
            short += page.is_short
            if page.after is None:
                break
            cursor = page.after
        assert len(seen) == len(plain[q])
        assert set(seen) == plain[q], q
        back = search_pages.page(
            chosen, chats, before=f"{0}~{0}" if sort == "newest" else cursor or f"{2**40}~{2**40}", size=5
        )
        assert {record.pk for record in back.records} <= plain[q]
    assert short > 10


def test_the_page_of_a_search_that_was_cut_short_leads_on(chats, as_vic, project, monkeypatch):
    some(chats)
    slowly(monkeypatch, time=1e-9)
    monkeypatch.setattr(results, "within", too_slow)
    monkeypatch.setattr(results, "ASKED", 1)
    address = reverse("curation:dataset", args=[project.pk, chats.pk])
    text = as_vic.get(address, {"q": "rank:0 -panel"}).content.decode()
    assert "No matches so far" in text
    assert "No records match" not in text
    assert "Search further" in text
    text = as_vic.get(address, {"q": "rank:3"}).content.decode()
    assert "Search further" in text
    assert "+ records of 12 match" in text or "+ record of 12 match" in text


def test_the_next_record_is_found_however_long_that_takes(chats, monkeypatch):
    some(chats)
    slowly(monkeypatch, time=1e-9)
    monkeypatch.setattr(results, "within", too_slow)
    first, *_, last = chats.records.filter(metadata__rank=3).order_by("pk")
    chosen = Filters.read({"q": "rank:3 panel", "sort": "oldest"})
    second = chosen.neighbours(first, chats)[1]
    assert chosen.neighbours(last, chats) == (second, None)


@pytest.mark.parametrize("few", [True, False])
@pytest.mark.parametrize("sort", list(filters.SORTS))
def test_pages_forth_and_back_hold_each_record_once(chats, monkeypatch, few, sort):
    if not few:
        slowly(monkeypatch)
    for number in range(11):
        make(chats, f"solar {number}", words=number % 3)
    chosen, seen, cursor = Filters.read({"q": "solar", "sort": sort}), [], ""
    while True:
        page = search_pages.page(chosen, chats, after=cursor, size=4)
        seen += [record.pk for record in page.records]
        if page.after is None:
            break
        cursor = page.after
    assert len(seen) == len(set(seen)) == 11
    back = search_pages.page(chosen, chats, before=page.before, size=4)
    assert [record.pk for record in back.records] == seen[4:8]


@pytest.mark.django_db(transaction=True)
def test_a_statement_ends_when_its_time_is_over_and_the_next_one_works(project):
    slow = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) SELECT count(*) FROM n",
        "postgresql": "SELECT pg_sleep(600)",
    }
    began = time.monotonic()
    with pytest.raises(deadline.StatementTooSlow), deadline.within(0.05), connection.cursor() as cursor:
        cursor.execute(slow[connection.vendor])
    assert time.monotonic() - began < patient(10)
    with deadline.within(5):
        assert Dataset.objects.count() == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_no_path_of_the_models_is_a_filter(chats):
    make(chats, "one")
    names = {field.name for model in apps.get_models() for field in model._meta.get_fields()}
    paths = [
        *names,
        *(f"dataset__{name}" for name in names),
        "dataset__project__team",
        "_connector",
        "_negated",
        "pk__in",
    ]
    for path in paths:
        every = search_pages.page(
            Filters.read({path: "1"} if path not in (*filters.CHOICES, "ids", "import", "q") else {}), chats
        )
        assert every.count == 1, path
        if path not in ("status", "split", "label", "problem", "language", "by", "assigned", "source", "has", "is", "words",
                        "tokens", "changed", "created", "in", "cluster"):  # fmt: skip
            assert found(chats, f"{path}:1") == [], path


def test_a_mistake_matches_nothing_and_is_said(chats, as_vic, bob_api, project):
    make(chats, "one")
    answer = as_vic.get(reverse("curation:dataset", args=[project.pk, chats.pk]), {"q": "tokens:many"})
    assert "a whole number" in answer.content.decode()
    assert answer.context["records"] == []
    with pytest.raises(ValidationError, match="a whole number"):
        Filters.read({"q": "tokens:many"})
    assert bob_api.get(f"/api/projects/{project.pk}/datasets/{chats.pk}/records?q=tokens:many").status_code == 422


def test_facets_count_what_matches_and_a_click_adds_the_condition(chats, as_vic, project):
    make(chats, "solar", labels=["good"])
    make(chats, "wind", labels=["good", "short"], status="accepted")
    answer = as_vic.get(reverse("curation:dataset", args=[project.pk, chats.pk]), {"q": "solar"})
    labels = next(facet for facet in answer.context["facets"] if facet["title"] == "Label")
    assert [(value["text"], value["count"], value["on"]) for value in labels["values"]] == [("good", 1, False)]
    assert labels["values"][0]["url"].endswith("?q=solar+label%3Agood")
    again = as_vic.get(labels["values"][0]["url"])
    assert next(f for f in again.context["facets"] if f["title"] == "Label")["values"][0]["on"]
    assert {v.text: v.count for f in facets.shown(facets.tallies(chats)) if f.name == "label" for v in f.values} == {
        "good": 2,
        "short": 1,
    }


def test_completion_offers_names_values_and_columns(chats, project):
    make(chats, "solar", labels=["urgent case"], metadata={"topic": "energy"})
    offered = lambda typed: [one.text for one in completion.complete(chats, typed)]  # noqa: E731
    assert offered("stat") == ["status:"]
    assert offered("solar -label:urg") == ['-label:"urgent case"']
    assert offered("top") == ["topic:"]
    assert offered("topic:") == ["topic:energy"]
    assert offered("status:acc") == ["status:accepted"]
    assert offered("status:") == [
        "status:new",
        "status:accepted",
        "status:rejected",
        "status:skipped",
        "status:deleted",
    ]
    assert [one.note for one in completion.complete(chats, "status:")][:2] == ["1 record", "no record"]
    assert offered("") == offered("solar ") == []
    assert completion.complete(chats, "solar stat")[0].start == 6


def test_a_filter_is_saved_renamed_and_deleted(chats, bob, project, as_bob):
    saved = saved_filters.save(chats, bob, " Short  ones ", Filters.read({"q": "words:<10"}))
    assert saved_filters.save(chats, bob, "Short ones", Filters.read({"q": "words:<10"})) == saved
    with pytest.raises(ValidationError, match="already"):
        saved_filters.save(chats, bob, "Short ones", Filters.read({"q": "words:<20"}))
    with pytest.raises(ValidationError, match="No filter is set"):
        saved_filters.save(chats, bob, "All", Filters())
    as_bob.post(reverse("curation:rename_filter", args=[project.pk, chats.pk, saved.pk]), {"name": "<b>Brief"})
    make(chats, "one")
    page = as_bob.get(reverse("curation:dataset", args=[project.pk, chats.pk])).content.decode()
    assert "&lt;b&gt;Brief" in page
    as_bob.post(reverse("curation:delete_filter", args=[project.pk, chats.pk, saved.pk]))
    assert not chats.saved_filters.exists()


def test_each_role_at_each_address(chats, project, bob, as_alice, as_bob, as_ann, as_vic, as_charlie):
    saved = saved_filters.save(chats, bob, "Short", Filters.read({"q": "words:<10"}))
    for name, args, method, needs in (
        ("complete_search", [], "get", "viewer"), ("saved_filters", [], "get", "viewer"), ("saved_filters", [], "post", "editor"),
        ("rename_filter", [saved.pk], "post", "editor"), ("delete_filter", [10**6], "post", "editor"),
    ):  # fmt: skip
        address = reverse(f"curation:{name}", args=[project.pk, chats.pk, *args])
        codes = [
            getattr(client, method)(address).status_code for client in (as_charlie, as_vic, as_ann, as_bob, as_alice)
        ]
        assert codes[0] == 404
        assert [code == 403 for code in codes[1:]] == (
            [False] * 4 if needs == "viewer" else [True, True, False, False]
        ), name


def test_rest_saves_lists_and_counts(chats, project, bob_api):
    make(chats, "solar", labels=["good"])
    base = f"/api/projects/{project.pk}/datasets/{chats.pk}"
    made = bob_api.post(
        f"{base}/filters", {"name": "Good", "filters": {"q": "label:good"}}, content_type="application/json"
    )
    assert made.status_code == 201
    assert [one["name"] for one in bob_api.get(f"{base}/filters").json()] == ["Good"]
    assert bob_api.get(f"{base}/records?q=label:good&limit=1").json()["count"] == 1
    answer = bob_api.get(f"{base}/facets?q=label:good").json()
    assert answer["of"] == "filter"
    assert answer["facets"]["label"] == [{"text": "good", "count": 1, "term": "label:good"}]
    assert bob_api.get(f"{base}/complete?q=lab").json()["items"][0]["text"] == "label:"
    pk = made.json()["id"]
    assert (
        bob_api.patch(f"{base}/filters/{pk}", {"name": "Fine"}, content_type="application/json").json()["name"]
        == "Fine"
    )
    assert bob_api.delete(f"{base}/filters/{pk}").status_code == 204


def test_a_beginning_beside_other_words_is_not_gathered_by_postgresql(chats, monkeypatch):
    some(chats)
    wanted = Filters.read({"q": "panel sol"})
    plain = set(wanted.records(chats).values_list("pk", flat=True))
    monkeypatch.setattr(fulltext, "GATHERED", 0)
    is_postgres = connection.vendor == "postgresql"
    assert fulltext.gathers_many("panel & sol:*") == is_postgres
    assert not fulltext.gathers_many("sol:*")
    assert not fulltext.gathers_many("panel & solar")
    if is_postgres:  # so no plain statement is tried
        monkeypatch.setattr(results, "within", None)
    assert plain
    assert set(wanted.found(chats).page(["-id"], 1000).ids) == plain
    assert set(wanted.found(chats).some(["-id"], 1000).ids) == plain
