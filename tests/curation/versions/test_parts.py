"""Leaks, notes, card, zip, differences and lineage of versions, on pages and by REST, for every role."""

import io
import zipfile

import pytest

from curation import tasks
from curation.models import NearDuplicate, Record, Version
from curation.records import derived, splits
from curation.versions import card, freezes, leaks, lineage
from curation.versions import files as version_files
from tests.curation.teacher import conversations
from tests.curation.versions.test_freezes import frozen

pytestmark = pytest.mark.django_db
HALVES = {"train": 0.5, "validation": 0.25, "test": 0.25}


def leaky(project) -> Version:
    """Return a version refused because two nearly equal records would be in different splits."""
    dataset = conversations(project, 40)
    version = freezes.create(dataset, None, shares=HALVES)
    sides = {r: splits.assign(version.seed, r.source_group, HALVES) for r in dataset.records.order_by("pk")}
    first = next(iter(sides))
    second = next(r for r, side in sides.items() if side != sides[first])
    NearDuplicate.objects.create(dataset=dataset, first=first, second=second, similarity=0.9)
    tasks.freeze(version.pk)
    version.refresh_from_db()
    return version


def test_near_duplicates_in_different_splits_refuse_the_freeze_unless_allowed(project):
    version = leaky(project)
    assert version.status == "failed"
    assert "1 pair of near-duplicates would be in different splits" in version.error
    assert "90% alike" in version.error
    assert leaks.allow(version)
    tasks.freeze(version.pk)
    version.refresh_from_db()
    assert version.status == "done"
    assert "1 pair of near-duplicates is in different splits, which was allowed" in version.card


def test_near_duplicates_on_one_side_are_no_leak(project):
    dataset = conversations(project, 40)
    first, second = dataset.records.order_by("pk")[:2]
    NearDuplicate.objects.create(dataset=dataset, first=first, second=second, similarity=0.9)
    assert frozen(dataset, shares={"train": 1}).rows == 40


def test_the_page_of_leaks_shows_both_records_and_the_way_on(project, as_bob, as_vic):
    version = leaky(project)
    address = f"/projects/{project.pk}/versions/{version.pk}"
    assert f"{address}/leaks" in as_bob.get(address).content.decode()
    page = as_bob.get(f"{address}/leaks").content.decode()
    assert "90%" in page
    assert "Freeze anyway" in page
    assert "Freeze anyway" not in as_vic.get(f"{address}/leaks").content.decode()
    as_bob.post(f"{address}/leaks/allow")
    version.refresh_from_db()
    assert (version.status, version.allow_leaks) == ("queued", True)


def copied(project, times: int = 2) -> Version:
    """Return a version refused because records of one content are in different splits."""
    dataset = conversations(project, 40)
    version = freezes.create(dataset, None, shares=HALVES)
    first = dataset.records.order_by("pk").first()
    for number in range(times):
        group = next(
            f"{n:064x}" for n in range(100 * number, 100 * number + 100)
            if splits.assign(version.seed, f"{n:064x}", HALVES) != splits.assign(version.seed, first.source_group, HALVES)
        )  # fmt: skip
        derived.complete(
            Record(dataset=dataset, messages=first.messages, fields=first.fields, status="accepted", source_group=group)
        ).save()
    tasks.freeze(version.pk)
    version.refresh_from_db()
    return version


def test_copies_in_different_splits_are_listed_and_can_be_allowed(project, as_bob, bob_api):
    version = copied(project)
    assert "2 records are also in another split with the same content" in version.error
    address = f"/projects/{project.pk}/versions/{version.pk}"
    assert f"{address}/leaks" in as_bob.get(address).content.decode()
    first, *_, second, third = version.dataset.records.order_by("pk").values_list("pk", flat=True)
    page = as_bob.get(f"{address}/leaks").content.decode()
    assert "Identical content" in page
    assert page.count("100%") == 2
    assert page.count('data-label="Second record"') == 2  # a phone shows each cell's name; the split stands in the cell
    assert f"/records/{third}" in page
    found = bob_api.get(f"/api{address}/copies").json()
    assert [pair["records"] for pair in found["items"]] == [[first, second], [first, third]]
    assert found["next"] is None
    as_bob.post(f"{address}/leaks/allow")
    tasks.freeze(version.pk)
    version.refresh_from_db()
    assert (version.status, version.rows) == ("done", 42)


def test_pages_of_copies_leave_none_out(project, bob_api, monkeypatch):
    version = copied(project, times=3)
    other = version.dataset.records.order_by("pk")[1]
    Record.objects.filter(pk=version.dataset.records.order_by("pk")[2].pk).update(content_hash=other.content_hash)
    address = f"/api/projects/{project.pk}/versions/{version.pk}/copies"
    whole = bob_api.get(address).json()["items"]
    page = bob_api.get(f"{address}?limit=1").json()
    walked = page["items"]
    while page["next"]:
        page = bob_api.get(f"{address}?limit=1&after={page['next']}").json()
        walked += page["items"]
    assert walked == whole
    assert len(whole) >= 3
    monkeypatch.setattr(leaks, "BATCH", 1)
    assert bob_api.get(address).json()["items"] == whole


def test_a_frozen_version_leads_to_its_export(project, as_bob, as_vic):
    version = frozen(conversations(project, 20))
    address = f"/projects/{project.pk}/versions/{version.pk}"
    export = f"/projects/{project.pk}/data/{version.dataset_id}/export?version={version.pk}"
    assert export in as_bob.get(address).content.decode()
    assert export not in as_vic.get(address).content.decode()
    assert as_bob.get(export).status_code == 200


PARTS = ["since/{old}", "card.md", "all.zip", "compare?with={old}", "leaks"]


@pytest.mark.parametrize("part", PARTS)
def test_everybody_of_the_team_reads_the_parts_and_strangers_none(
    project, part, as_alice, as_bob, as_ann, as_vic, as_charlie, client
):
    dataset = conversations(project, 20)
    old, new = frozen(dataset), frozen(dataset)
    address = f"/projects/{project.pk}/versions/{new.pk}/" + part.format(old=old.pk)
    for who in (as_alice, as_bob, as_ann, as_vic):
        assert who.get(address).status_code in (200, 302)
    assert as_charlie.get(address).status_code == 404
    assert client.get(address).status_code == 302


@pytest.mark.parametrize("part", ["notes", "leaks/allow"])
def test_only_editors_change(project, part, as_alice, as_bob, as_ann, as_vic, as_charlie):
    version = frozen(conversations(project, 20))
    address = f"/projects/{project.pk}/versions/{version.pk}/{part}"
    found = [who.post(address, {"notes": "x"}).status_code for who in (as_charlie, as_vic, as_ann, as_bob, as_alice)]
    assert found == [404, 403, 403, 302, 302]


def test_notes_change_and_the_hash_stays(project, bob_api):
    version = frozen(conversations(project, 20), notes="first")
    address = f"/api/projects/{project.pk}/versions/{version.pk}"
    body = bob_api.patch(address, {"notes": "better"}, content_type="application/json").json()
    assert (body["notes"], body["content_hash"]) == ("better", version.content_hash)


def test_the_card_says_what_it_is_and_shows_hostile_text_as_text(project, as_bob):
    dataset = conversations(project, 20, name="<img src=x onerror=alert(1)> [a](javascript:alert(1))")
    dataset.licence = "CC-BY-4.0"
    dataset.save()
    version = frozen(dataset)
    assert "Licence: CC-BY-4.0." in version.card
    assert version.content_hash in version.card
    page = as_bob.get(f"/projects/{project.pk}/versions/{version.pk}").content.decode()
    assert "<img src=x" not in page
    assert 'href="javascript' not in page
    assert 'license: "CC-BY-4.0"' in card.file(version)


def test_the_zip_holds_the_card_and_the_exact_splits(project):
    from curation.versions import package

    version = frozen(conversations(project, 40))
    packed = zipfile.ZipFile(io.BytesIO(b"".join(package.pack(version))))
    assert packed.testzip() is None
    for split, rows in version.counts().items():
        if rows:
            with version_files.open_split(version, split) as stream:
                assert packed.read(f"{split}.jsonl") == stream.read()
    assert packed.read("README.md").decode() == card.file(version)


def test_lineage_leads_from_a_record_to_its_versions_and_runs(project, bob_api):
    from training.models import Run

    dataset = conversations(project, 20)
    version = frozen(dataset)
    Run.objects.create(project=project, version=version, number=1, base="tiny", name="First")
    [node] = lineage.onward(dataset.records.first())
    assert (node.kind, node.label) == ("Version", "Briefs v1")
    assert [child.label for child in node.children] == ["Run 1: First"]
    found = bob_api.get(f"/api/projects/{project.pk}/versions/{version.pk}/lineage").json()
    assert found["onward"][0]["label"] == "Run 1: First"


def test_rest_pages_differences_and_versions(project, bob_api):
    dataset = conversations(project, 20)
    old = frozen(dataset)
    dataset.records.filter(pk__in=list(dataset.records.values_list("pk", flat=True)[:5])).update(status="rejected")
    new = frozen(dataset)
    address = f"/api/projects/{project.pk}/versions"
    first = bob_api.get(f"{address}/{new.pk}/since/{old.pk}?kind=removed&limit=3").json()
    rest = bob_api.get(f"{address}/{new.pk}/since/{old.pk}?kind=removed&limit=3&after={first['next']}").json()
    assert first["counts"] == {"added": 0, "removed": 5, "changed": 0}
    assert [len(first["items"]), len(rest["items"]), rest["next"]] == [3, 2, None]
    page = bob_api.get(f"{address}?limit=1").json()
    assert [row["id"] for row in page] == [new.pk]
    assert [row["id"] for row in bob_api.get(f"{address}?limit=1&before={new.pk}").json()] == [old.pk]


def test_numbers_that_the_databases_write_differently_give_one_hash(project):
    """1e16 and -0.0 come back from PostgreSQL as 10000000000000000 and 0.0: what is frozen must not show it."""
    from curation.versions.rows import _loads

    assert _loads('{"a": 1e+16, "b": -0.0, "c": 1e22}', careful=True) == _loads(
        '{"a": 10000000000000000, "b": 0.0, "c": 10000000000000000000000}', careful=True
    )
