"""What keeps records in one split: source, column or nothing; near-duplicates kept together; labels; and what is said before."""

import json
from collections import Counter, defaultdict
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.urls import reverse

from curation import tasks
from curation.models import Dataset, Record, Version
from curation.quality import jobs
from curation.records import derived, splits
from curation.versions import freezes, grouping, leaks
from curation.versions.grouping import Grouping
from tests.curation.quality.frames import copies

pytestmark = pytest.mark.django_db
EVEN = {"train": 0.6, "validation": 0.2, "test": 0.2}
NONE, TOGETHER, STRATIFIED = Grouping("none"), Grouping(keep_together=True), Grouping(stratify=True)
FRUIT = "Which fruit is this, and which colour?"


def make(project, rows: list[dict[str, Any]], name: str = "Chats", kind: str = "conversations") -> Dataset:
    """Return a dataset of accepted records; a row may have `question`, `answer`, `metadata`, `labels` and `source_group`."""
    dataset = Dataset.objects.create(project=project, name=name, kind=kind)
    records = []
    for number, row in enumerate(rows):
        if "answer" in row:  # the same is asked for each, and yet the sources differ
            row = {"question": "Write it.", "source_group": f"{number:064x}"} | row
        row = {"question": f"Question {number}?", "answer": f"Answer {number}."} | row
        said = [
            {"role": "user", "content": row.pop("question")},
            {"role": "assistant", "content": row.pop("answer")},
        ]
        records.append(derived.complete(Record(dataset=dataset, messages=said, status="accepted", **row), dataset))
    Record.objects.bulk_create(records)
    return dataset


def frozen(dataset: Dataset, kept: Grouping | None = None, **more: Any) -> Version:
    version = freezes.create(dataset, None, grouping=kept, **({"shares": EVEN} | more))
    tasks.freeze(version.pk)
    version.refresh_from_db()
    return version


def look(dataset: Dataset) -> None:
    tasks.check(jobs.begin(dataset, None, "duplicates").pk)


def split_of(version: Version) -> dict[int, str]:
    return dict(version.entries.values_list("record_id", "split"))


# --- one group that holds most ---------------------------------------------------------------------

MOSTLY = "One group holds"


@pytest.fixture
def one_group(project) -> Dataset:
    rows = [{"source_group": "a" * 64, "metadata": {"article": f"a{number // 2}"}} for number in range(38)]
    return make(project, rows + [{"metadata": {"article": 7}}, {}])


def test_one_group_that_holds_most_is_said_before_and_after(one_group, as_bob, bob_api):
    path = f"/projects/{one_group.project_id}/versions"
    sentence = "One group holds 38 of 40 records, and a group is never divided between splits."
    advice = "Group by a metadata column whose values tell the records apart, or choose no grouping."
    page = as_bob.get(f"{path}/new?dataset={one_group.pk}").content.decode()
    assert sentence in page
    assert advice in page
    seen = bob_api.post(f"/api{path}/preview", {"dataset": one_group.pk}, content_type="application/json").json()
    assert (seen["total"], seen["groups"], seen["largest_group"]) == (40, 3, 38)
    assert any(sentence in each and advice in each for each in seen["warnings"])
    told = StringIO()
    call_command("freeze", one_group.name, preview=True, project=one_group.project.name, stdout=told)
    assert sentence in told.getvalue()
    made = bob_api.post(f"/api{path}", {"dataset": one_group.pk}, content_type="application/json").json()
    assert any(sentence in each for each in made["warnings"]), "said as soon as it is asked for"


@pytest.mark.parametrize("kept", [NONE, Grouping("column", "article")], ids=["no grouping", "a column"])
def test_both_ways_out_of_one_group_work(one_group, kept):
    version = frozen(one_group, kept)
    assert version.status == "done", version.error
    assert min(version.counts().values()) > 0
    assert not any(MOSTLY in sentence for sentence in version.figures["warnings"])


def test_a_freeze_without_a_train_split_names_the_group(one_group):
    seed = next(seed for seed in range(99) if splits.assign(seed, "a" * 64, EVEN) == "test")
    one_group.records.exclude(source_group="a" * 64).update(status="rejected")
    version = frozen(one_group, seed=seed)
    assert version.status == "failed"
    assert version.error.startswith("The train split is empty.")
    assert "One group holds 38 of 38 records" in version.error


def test_records_of_one_column_value_stay_together_and_those_without_are_counted(one_group):
    version = frozen(one_group, Grouping("column", "article"))
    sides = defaultdict(set)
    for pk, split in split_of(version).items():
        if article := Record.objects.get(pk=pk).metadata.get("article"):
            sides[article].add(split)
    assert all(len(each) == 1 for each in sides.values())
    assert (
        "1 of 40 records have no “article” in their metadata and are grouped by their source."
        in (version.figures["warnings"])
    )


# Values of a column, in pairs that belong together; the third is another one.
VALUES = {
    "text": ("x", "x", "y"),
    "number and its text": (7, "7", 8),
    "blanks around": (" x", "x ", "y"),
    "true and false": (True, True, False),
    "lists": ([1, 2], [1, 2], [2, 1]),
    "objects": ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2}),
    "fractions": (0.5, 0.5, 0.25),
    "other scripts": ("ключ", "ключ", "鍵"),
    "markup": ("<b>x</b>", "<b>x</b>", "<i>x</i>"),
    "a quote of SQL": ("' OR 1=1 --", "' OR 1=1 --", "'"),
    "very long": ("x" * 5000, "x" * 5000, "x" * 5001),
}


@pytest.mark.parametrize("column", ["article", "a'b\"c", "deep.key", "__in", "ключ"])
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_any_value_of_any_column_groups(project, values, column):
    rows = [{"metadata": {column: value}} for value in values]
    version = frozen(make(project, rows), Grouping("column", column), shares={"train": 1})
    plan = leaks.plan_of(version)
    assert (plan.groups, plan.without_column) == (2, 0)


@pytest.mark.parametrize("nothing", [None, "", "  ", [], {}])
def test_an_empty_value_is_none(project, nothing):
    dataset = make(project, [{"metadata": {"article": nothing}}, {"metadata": {"article": "a"}}])
    seen = freezes.preview_of(dataset, grouping=Grouping("column", "article"))
    assert any(sentence.startswith("1 of 2 records have no “article”") for sentence in seen.warnings)


def test_a_column_that_no_record_has_is_said(project):
    seen = freezes.preview_of(make(project, [{}, {}]), grouping=Grouping("column", "nothing"))
    assert "No record has the metadata column “nothing”, so all records are grouped by their source." in seen.warnings


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"group_by": "colour"}, "Use source, none or column"),
        ({"group_by": "column"}, "Name the metadata column"),
        ({"group_by": "column", "group_column": "  "}, "Name the metadata column"),
        ({"group_by": "none", "group_column": "a"}, "A column is named"),
        ({"group_by": "column", "group_column": "a" * 201}, "at most 200"),
    ],
)
def test_a_grouping_that_says_nothing_is_refused(given, sentence):
    with pytest.raises(ValidationError, match=sentence):
        grouping.clean(**given)


def test_without_grouping_copies_stay_together(project):
    version = frozen(make(project, [{"question": f"{n % 20}?", "answer": "Same."} for n in range(40)]), NONE)
    assert version.status == "done", version.error
    assert leaks.plan_of(version).groups == 20


def test_a_plan_without_options_is_what_the_hash_says(project):
    dataset = make(project, [{} for _ in range(60)])
    version = frozen(dataset)
    groups = dict(dataset.records.values_list("pk", "source_group"))
    assert split_of(version) == {pk: splits.assign(version.seed, group, EVEN) for pk, group in groups.items()}


# --- near-duplicates kept together -----------------------------------------------------------------


@pytest.fixture
def similar(project) -> Dataset:
    """Return twelve texts with three edited copies of each, every one with a source of its own."""
    rows = [{"answer": text} for text in copies(seed=1, texts=12, of_each=3)]
    dataset = make(project, rows)
    look(dataset)
    return dataset


def test_a_refused_freeze_is_saved_by_keeping_each_group_on_one_side(similar, as_bob):
    version = frozen(similar)
    assert version.status == "failed"
    assert version.error.startswith(f"{version.figures['leaks']} pairs of near-duplicates would be in different splits")
    address = f"/projects/{similar.project_id}/versions/{version.pk}"
    for page in (address, f"{address}/leaks"):
        shown = as_bob.get(page).content.decode()
        assert shown.index("Keep each group on one side") < shown.index("Freeze anyway"), "the first answer"
    assert "similarity of 0.42 or more" in as_bob.get(f"{address}/leaks").content.decode()
    assert as_bob.post(reverse("curation:version_together", args=[similar.project_id, version.pk])).status_code == 302
    tasks.freeze(version.pk)
    version.refresh_from_db()
    assert (version.status, version.figures["leaks"]) == ("done", 0), version.error
    sides = defaultdict(set)
    for pk, split in split_of(version).items():
        sides[Record.objects.get(pk=pk).cluster].add(split)
    assert all(len(each) == 1 for each in sides.values())
    assert min(version.counts().values()) > 0
    assert "Near-duplicates are kept together." in as_bob.get(address).content.decode()


def test_the_same_by_rest_and_by_command(similar, bob_api):
    version = frozen(similar)
    address = f"/api/projects/{similar.project_id}/versions"
    found = bob_api.get(f"{address}/{version.pk}/leaks").json()
    assert found["threshold"] == 0.42
    assert len(found["items"]) == min(50, version.figures["leaks"])
    kept = bob_api.post(f"{address}/{version.pk}/leaks/together").json()
    assert (kept["status"], kept["keep_together"]) == ("queued", True)
    assert bob_api.post(f"{address}/{version.pk}/leaks/together").status_code == 422
    told = StringIO()
    call_command("freeze", similar.name, keep_together=True, preview=True, json=True, stdout=told)
    assert json.loads(told.getvalue())["groups"] == 12


@pytest.mark.parametrize("name", ["vic", "charlie"])
def test_who_may_not_edit_may_not_keep_together(similar, request, name):
    version = frozen(similar)
    client = request.getfixturevalue(f"as_{name}")
    address = reverse("curation:version_together", args=[similar.project_id, version.pk])
    assert client.post(address).status_code in (403, 404)
    version.refresh_from_db()
    assert version.status == "failed"


def text(word: str) -> str:
    return f"The {word} of Fennick voted late at night to ban parking on Quay Street from June, by seven to two."


# Each needs keeping together: near-duplicates, copies, or both, over groups of several kinds.
ODD = {
    "a pair": [{"answer": text("council")}, {"answer": text("council") + " Really."}],
    "a chain": [{"answer": text("council") + " Really so, they say." * n} for n in range(5)],
    "copies under other sources": [{"question": "Why?", "answer": text("council"), "source_group": f"{n:064d}"} for n in range(6)],
    "two groups joined by one pair": [
        *({"source_group": "a" * 64} for _ in range(3)), {"source_group": "a" * 64, "answer": text("council")},
        *({"source_group": "b" * 64} for _ in range(3)), {"source_group": "b" * 64, "answer": text("councils")},
    ],
    "capitals": [{"answer": text("council")}, {"answer": text("council").upper()}, {"answer": text("COUNCIL").lower()}],
    "other marks": [{"answer": text("council")}, {"answer": text("council").replace(",", " —")}],
    "typos": [{"answer": text("council")}, {"answer": text("counicl")}, {"answer": text("concil")}],
    "with labels": [{"answer": text("council"), "labels": ["x"]}, {"answer": text("council") + " Yes.", "labels": ["y"]}],
    "other scripts": [{"answer": "今日はとても良い天気ですね。散歩に行きましょう。"}, {"answer": "今日はとても良い天気ですね。散歩に行きました。"}],
    "short questions": [{"question": "How do I reset my password?", "answer": "Click on Forgot."}, {"question": "how do I reset my pasword", "answer": "Click on Forgot!"}],
    "empty metadata and a pair": [{"answer": text("council"), "metadata": {}}, {"answer": text("council") + " So.", "metadata": {"article": None}}],
}  # fmt: skip


@pytest.mark.parametrize("rows", ODD.values(), ids=ODD)
@pytest.mark.parametrize("kept", [TOGETHER, Grouping("none", keep_together=True), Grouping("column", "article", keep_together=True), Grouping(keep_together=True, stratify=True)], ids=["source", "none", "column", "stratified"])  # fmt: skip
def test_what_is_kept_together_never_leaks(project, rows, kept):
    dataset = make(
        project, [dict(row) for row in rows] + [{"answer": f"{'abcdefghijklmnop'[n] * 9}"} for n in range(16)]
    )
    look(dataset)
    assert dataset.near_duplicates.exists() or rows is ODD["copies under other sources"]
    for seed in range(4):
        version = frozen(dataset, kept, seed=seed)
        assert version.status == "done", version.error
        assert version.figures["leaks"] == 0
        assert len(set(version.entries.filter(record__cluster__isnull=False).values_list("split", flat=True))) <= 1


def test_what_was_never_checked_is_said(project):
    dataset = make(project, [{}, {}])
    assert any(
        "never checked for near-duplicates" in each for each in freezes.preview_of(dataset, grouping=TOGETHER).warnings
    )


def test_one_group_of_near_duplicates_that_holds_most_has_other_ways_out(project):
    dataset = make(project, [{"answer": each} for each in copies(seed=2, texts=1, of_each=12)] + [{}, {}])
    look(dataset)
    [sentence] = [each for each in freezes.preview_of(dataset, grouping=TOGETHER).warnings if MOSTLY in each]
    assert "higher threshold" in sentence


# --- short texts of one frame, and one question about many pictures ---------------------------------


def test_twenty_questions_of_one_frame_are_frozen_without_a_word(project):
    towns = [line.split() for line in ["France Paris", "Spain Madrid", "Italy Rome", "Norway Oslo", "Chile Santiago", "Kenya Nairobi", "Peru Lima", "Japan Tokyo", "Cuba Havana", "Egypt Cairo", "Ghana Accra", "Iran Tehran", "Iraq Baghdad", "Laos Vientiane", "Mali Bamako", "Nepal Kathmandu", "Oman Muscat", "Qatar Doha", "Syria Damascus", "Togo Lome"]]  # fmt: skip
    dataset = make(project, [{"question": f"What is the capital of {a}?", "answer": f"{b}."} for a, b in towns])
    look(dataset)
    version = frozen(dataset)
    assert (version.status, version.figures["leaks"], version.figures["warnings"]) == ("done", 0, []), version.error


def test_one_question_about_many_pictures_is_divided(project):
    rows = [
        {
            "question": [{"type": "image_url", "image_url": {"url": f"https://p.example/{n}.jpg"}}, {"type": "text", "text": FRUIT}],
            "answer": f"{('apple', 'pear', 'plum', 'fig')[n % 4]}, {('red', 'green', 'blue')[n % 3]}, number {n}",
        }
        for n in range(40)
    ]  # fmt: skip
    dataset = make(project, rows)
    look(dataset)
    version = frozen(dataset)
    assert (version.status, version.figures["leaks"]) == ("done", 0), version.error
    assert min(version.counts().values()) > 0


# --- labels ------------------------------------------------------------------------------------------


def labelled(**counts: int) -> list[dict[str, Any]]:
    return [{"labels": [label]} for label, count in counts.items() for _ in range(count)]


# Rows, and for each label in how many splits it must be.
LABELS = {
    "a rare class": (labelled(usual=60, rare=3), {"usual": 3, "rare": 3}),
    "two of a class": (labelled(usual=60, rare=2), {"usual": 3, "rare": 2}),
    "one of a class": (labelled(usual=60, rare=1), {"usual": 3, "rare": 1}),
    "many rare classes": (labelled(**{f"l{n}": 3 for n in range(20)}), {f"l{n}": 3 for n in range(20)}),
    "no labels": ([{} for _ in range(30)], {}),
    "some without": (labelled(a=9) + [{} for _ in range(30)], {"a": 3}),
    "several labels": ([{"labels": ["a", "b"]} for _ in range(9)] + labelled(a=9, c=9), {"a": 3, "b": 3, "c": 3}),
    "odd names": (labelled(**{"<b>": 5, "": 5, "'--": 5, "ключ": 5}), {"<b>": 3, "'--": 3, "ключ": 3}),
    "one group holds the class": ([{"labels": ["rare"], "source_group": "r" * 64} for _ in range(9)] + labelled(usual=30), {"rare": 1, "usual": 3}),
    "a big group and a small one": ([{"labels": ["r"], "source_group": "r" * 64} for _ in range(9)] + labelled(r=2, u=30), {"r": 3, "u": 3}),
    "groups of two labels": ([{"labels": ["a" if n % 2 else "b"], "source_group": f"{n // 2:064d}"} for n in range(40)], {"a": 3, "b": 3}),
    "one label only": (labelled(all=25), {"all": 3}),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "wanted"), LABELS.values(), ids=LABELS)
def test_stratified_labels_are_in_each_split_as_far_as_their_groups_reach(project, rows, wanted):
    dataset = make(project, [dict(row) for row in rows])
    version = frozen(dataset, STRATIFIED)
    assert version.status == "done", version.error
    sides = split_of(version)
    groups, table = defaultdict(set), defaultdict(Counter)
    for record in dataset.records.all():
        groups[record.source_group].add(sides[record.pk])
        for label in record.labels:
            table[label][sides[record.pk]] += 1
    assert all(len(each) == 1 for each in groups.values()), "groups stay whole"
    assert {label: len(table[label]) for label in wanted} == wanted
    assert all(counts["train"] for counts in table.values())
    assert {label: Counter(counts) for label, counts in version.figures["label_splits"].items()} == dict(table)
    missing = [label for label, counts in table.items() if not counts["test"]]
    said = [sentence for sentence in version.figures["warnings"] if "in the test split" in sentence]
    assert bool(missing) == bool(said)


def test_a_rare_class_that_misses_the_test_split_is_said_before_and_after(project, as_bob, bob_api):
    dataset = make(project, labelled(usual=60, rare=3))
    rare = list(dataset.records.filter(pk__in=[r.pk for r in dataset.records.all() if r.labels == ["rare"]]))
    shares = {"train": 0.8, "validation": 0.1, "test": 0.1}
    seed = next(s for s in range(99) if {splits.assign(s, r.source_group, shares) for r in rare} == {"train"})
    sentence = "No record of 1 label is in the test split: “rare” (3). Stratify by label to give each split its share."
    body = {"dataset": dataset.pk, "seed": seed, "shares": shares}
    path = f"/api/projects/{project.pk}/versions"
    before = bob_api.post(f"{path}/preview", body, content_type="application/json").json()
    assert sentence in before["warnings"]
    assert before["labels"]["rare"] == {"train": 3, "validation": 0, "test": 0}
    form = {"dataset": dataset.pk, "status": "accepted", "train": 80, "validation": 10, "test": 10, "seed": seed}
    counts = as_bob.get(f"/projects/{project.pk}/versions/new/counts", form).content.decode()
    assert sentence in counts
    version = frozen(dataset, seed=seed, shares=shares)
    after = bob_api.get(f"{path}/{version.pk}").json()
    assert sentence in after["warnings"]
    assert after["labels"]["rare"]["train"] == 3
    page = as_bob.get(f"/projects/{project.pk}/versions/{version.pk}").content.decode()
    assert sentence in page
    assert "Labels by split" in page
    told = StringIO()
    call_command("freeze", dataset.name, stratify=True, seed=seed, preview=True, stdout=told)
    assert "  rare: 1 train, 1 validation, 1 test" in told.getvalue()
    by_form = as_bob.post(f"/projects/{project.pk}/versions/new", form | {"stratify": "on"})
    assert by_form.status_code == 302
    assert Version.objects.latest("pk").grouping["stratify"] is True


def test_a_stratified_version_is_the_same_each_time(project):
    rows = labelled(a=20, b=7, c=3)
    first, again = (frozen(make(project, [dict(row) for row in rows], name), STRATIFIED) for name in ("One", "Two"))
    assert first.content_hash == again.content_hash
