"""The pages of what is wrong in a dataset, and who may do what there."""

import pytest

from curation.datasets import settings
from curation.models import BulkAction, Check, Dataset, Question, Record
from curation.quality import jobs
from curation.records import derived
from curation.tasks import check
from tests.curation.quality.test_jobs import LONG, chat, make, run


@pytest.fixture
def chats(project, alice) -> Dataset:
    return settings.create(project, alice, "Chats")


@pytest.fixture
def root(project, chats) -> str:
    return f"/projects/{project.pk}/data/{chats.pk}"


def test_problems_are_grouped_and_each_opens_its_records(root, chats, as_vic):
    make(chats, "<p>One</p>", "<div>Two a@b.example</div>", "Three, without anything.")
    run(chats)
    page = as_vic.get(f"{root}/problems")
    assert [(group.code, group.count, group.severity) for group in page.context["groups"]] == [
        ("html", 2, "warning"),
        ("pii-email", 1, "warning"),
    ]
    assert f'href="{root}/?q=problem%3Ahtml"' in page.text
    assert "Leftover HTML" in page.text
    listed = as_vic.get(f"{root}/", {"q": "problem:html"})
    assert len(listed.context["records"]) == 2


def test_what_a_file_says_is_never_html(root, chats, as_vic):
    make(chats, "<script>alert(1)</script>")
    run(chats)
    page = as_vic.get(f"{root}/problems").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_fixing_is_shown_first_and_then_done_for_all_and_undone(root, chats, as_bob):
    rows = make(chats, "<p>One</p>", "<div>Two</div>", "Three")
    run(chats)
    page = as_bob.get(f"{root}/problems/html/fix")
    assert [fixed.record.pk for fixed in page.context["shown"]] == [rows[0].pk, rows[1].pk]
    assert "<del>&lt;div&gt;</del>" in page.text
    assert as_bob.post(f"{root}/problems/html/fix").status_code == 302
    assert Record.objects.get(pk=rows[1].pk).messages[0]["content"] == "Two\n"
    assert not chats.records.filter(problem_count__gt=0).exists()
    done = BulkAction.objects.get()
    assert (done.action, done.options, done.changed) == ("fix", {"codes": ["html"]}, 2)
    as_bob.post(f"/projects/{chats.project_id}/data/bulk/{done.pk}/undo")
    assert Record.objects.get(pk=rows[1].pk).messages[0]["content"] == "<div>Two</div>"


def test_there_is_no_fixing_of_what_nobody_has_or_what_needs_a_person(root, chats, as_bob):
    make(chats, "He said (this")
    run(chats)
    assert as_bob.get(f"{root}/problems/html/fix").status_code == 404
    assert as_bob.get(f"{root}/problems/open-bracket/fix").status_code == 404


def test_near_duplicates_stand_side_by_side_and_one_is_kept(root, chats, as_ann):
    a, b, c = make(chats, LONG, LONG.replace("late", "early"), "Another question, and nothing like the others at all.")
    run(chats, "duplicates")
    assert [row["cluster"] for row in as_ann.get(f"{root}/duplicates").context["rows"]] == [a.pk]
    page = as_ann.get(f"{root}/duplicates/{a.pk}").text
    assert "<del>late</del><ins>early</ins>" in page
    as_ann.post(f"{root}/duplicates/{a.pk}", {"keep": b.pk})
    statuses = dict(chats.records.values_list("pk", "status"))
    assert statuses == {a.pk: "rejected", b.pk: "new", c.pk: "new"}
    answer = as_ann.post(f"{root}/duplicates/{a.pk}", {"keep": c.pk}, follow=True)
    assert "no longer in the group" in answer.text
    assert as_ann.get(f"{root}/duplicates/{c.pk}").status_code == 404


def test_pairs_across_splits_are_listed_as_the_splits_are_now(root, chats, as_vic):
    a, b = make(chats, LONG, LONG + " Really.")
    Record.objects.filter(pk=b.pk).update(split="test")
    Record.objects.filter(pk=a.pk).update(split="train")
    run(chats, "duplicates")
    assert [pair.second_id for pair in as_vic.get(f"{root}/duplicates/across").context["rows"]] == [b.pk]
    Record.objects.filter(pk=b.pk).update(split="train")
    assert as_vic.get(f"{root}/duplicates/across").context["rows"] == []


def test_a_check_is_started_watched_cancelled_and_taken_up_again(root, project, chats, as_bob):
    make(chats, "<p>x</p>")
    answer = as_bob.post(f"{root}/checks/texts", {"everything": "1"})
    job = Check.objects.get()
    assert answer.url == f"/projects/{project.pk}/data/checks/{job.pk}"
    assert job.options == {"everything": True}
    assert as_bob.get(f"{answer.url}/progress").status_code == 200
    as_bob.post(f"{answer.url}/cancel")
    assert as_bob.get(f"{answer.url}/progress").status_code == 286
    as_bob.post(f"{answer.url}/resume")
    check(job.pk)
    assert "1 of 1 record has warnings" in as_bob.get(answer.url).text
    assert as_bob.post(f"{root}/checks/maps", follow=True).text.count("No check is called")


def test_a_new_dataset_says_what_to_do(root, as_bob):
    assert "No records yet" in as_bob.get(f"{root}/problems").text
    assert "Not checked yet" in as_bob.get(f"{root}/duplicates").text
    assert as_bob.get(f"{root}/duplicates?after=99999999999999999999").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "smallest"),
    [
        ("get", "problems", "viewer"), ("get", "duplicates", "viewer"), ("get", "duplicates/across", "viewer"),
        ("get", "duplicates/{cluster}", "viewer"), ("post", "duplicates/{cluster}", "annotator"),
        ("get", "problems/html/fix", "editor"), ("post", "problems/html/fix", "editor"),
        ("post", "checks/texts", "editor"), ("get", "../checks/{job}", "viewer"),
        ("get", "../checks/{job}/progress", "viewer"), ("post", "../checks/{job}/cancel", "editor"),
    ],
)  # fmt: skip
def test_each_role_may_do_what_is_its_own(
    method, path, smallest, root, chats, as_alice, as_bob, as_ann, as_vic, as_charlie, client
):
    a, _ = make(chats, f"<p>{LONG}</p>", f"<p>{LONG} Really.</p>")
    run(chats)
    run(chats, "duplicates")
    job = jobs.begin(chats, None, "texts", everything=True)
    path = path.format(cluster=a.pk, job=job.pk)
    address = f"/projects/{chats.project_id}/data/{path[3:]}" if path.startswith("../") else f"{root}/{path}"
    people = {"stranger": as_charlie, "viewer": as_vic, "annotator": as_ann, "editor": as_bob, "owner": as_alice}
    order = list(people)
    for role, person in people.items():
        status = getattr(person, method)(address, {"keep": a.pk} if method == "post" else {}).status_code
        expected = 404 if role == "stranger" else 403 if order.index(role) < order.index(smallest) else None
        assert status == expected if expected else status not in (403, 500), (role, address, status)
        if expected is None and smallest == "editor" and "fix" in path:
            break  # once fixed, nobody finds anything to fix
    assert getattr(client, method)(address).status_code == 302  # to the sign-in


def test_a_dataset_of_another_project_is_not_found(project, as_bob, charlie):
    from atelier.accounts.models import Project

    other = Project.objects.create(team=charlie.memberships.get().team, name="Theirs", created_by=charlie)
    theirs = settings.create(other, charlie, "Secret")
    record = Record(dataset=theirs, messages=chat("x"))
    derived.complete(record).save()
    for page in ("problems", "duplicates", "duplicates/across", f"duplicates/{record.pk}"):
        assert as_bob.get(f"/projects/{project.pk}/data/{theirs.pk}/{page}").status_code == 404


def test_where_every_record_was_looked_at_as_it_came_in_the_page_says_so(root, chats, as_vic):
    make(chats, "Plain enough to be fine.")
    assert "Not checked yet." in as_vic.get(f"{root}/problems").text
    chats.records.update(is_checked=True)  # as an import or a teacher's answer leaves it
    page = as_vic.get(f"{root}/problems").text
    assert "Each record was checked when it was imported or changed." in page
    assert "Not checked yet." not in page


def test_a_check_that_finds_nothing_says_so_in_plain_words(root, chats, as_bob):
    make(chats, "Plain enough to be fine.")
    as_bob.post(f"{root}/checks/texts", {"everything": "1"})
    check(Check.objects.get().pk)
    assert Check.objects.get().line == "No problems found in 1 record."


def test_a_record_is_offered_as_a_honeypot_only_where_there_are_questions(root, chats, as_bob):
    record = make(chats, "Plain enough to be fine.")[0]
    assert "Make it a control question" not in as_bob.get(f"{root}/records/{record.pk}").text
    Question.objects.create(dataset=chats, name="tone", title="Tone", kind="comment")
    assert "Make it a control question" in as_bob.get(f"{root}/records/{record.pk}").text
