"""The newsroom that the pictures of the guide show: run inside an installation, on the sample that ships with the app."""

import re
from typing import Any

from atelier.accounts.models import Membership, Project, Team, User
from atelier.jobs import queue as jobs
from atelier.webhooks import hooks
from curation.annotation import answers, questions, suggestions
from curation.annotation import queue as queues
from curation.models import Annotation, Dataset, Record
from curation.quality import jobs as checks
from curation.records import changes
from inference import endpoints
from inference.demo import BRIEFS, PROJECT, SAMPLE, SHARES

PEOPLE = {"ann": "annotator", "ben": "editor", "zoë": "annotator"}
DESKS = {
    "sport": "Sport", "arts and culture": "Culture", "food and restaurants": "Culture", "travel and tourism": "Culture",
    "science": "Science", "technology": "Science", "health": "Science", "environment and wildlife": "Science",
}  # fmt: skip
TO_REVIEW = 13  # of each 36 records: the one that is not accepted
ANSWERED = 34  # records that two people have answered
# What the house decides after the first version: amounts and shares in words.
EDITS = [(r"([$£€][\d.,]+)m\b", r"\1 million"), (r"(\d)%", r"\1 per cent")]


def found(owner_name: str, password: str) -> dict[str, int]:
    """Create people, project, teacher and datasets. Returns the project's id."""
    owner, team = User.objects.get(), Team.objects.get()
    owner.username = owner_name
    owner.set_password(password)
    owner.save()
    team.name = "Newsroom"
    team.save()
    for name, role in PEOPLE.items():
        Membership.objects.create(team=team, user=User.objects.create_user(username=name), role=role)
    project = Project.objects.create(
        team=team, name=PROJECT, created_by=owner, description="Raw news briefs, rewritten into the house style",
        guidelines=(SAMPLE / "style_guide.md").read_text(), rules=(SAMPLE / "rules.toml").read_text(),
        student_prompt=(SAMPLE / "student_prompt.txt").read_text().strip(),
    )  # fmt: skip
    endpoints.make_recorded(project, "Sample teacher", SAMPLE / "answers.jsonl")
    for name, kind in (("Raw briefs", "documents"), (BRIEFS, "conversations")):
        Dataset.objects.create(project=project, name=name, kind=kind, shares=SHARES, created_by=owner)
    return {"project": project.pk}


def reviewed() -> dict[str, Any]:
    """Accept most rewrites, and let two people answer questions about some. Returns the ids of the datasets."""
    briefs = Dataset.objects.get(name=BRIEFS)
    ben = User.objects.get(username="ben")
    for number, record in enumerate(briefs.records.order_by("pk")):
        if number % 36 != TO_REVIEW:
            changes.review(record, ben, "accept")
    _ask(briefs)
    people = [User.objects.get(username=name) for name in PEOPLE]
    for number in range(2 * ANSWERED):  # in turn, so that each pair answers a third of the records
        _annotate(briefs, people[number % len(people)], number // 2)
    letters = Dataset.objects.get(name="Reader letters")
    check = checks.begin(briefs, ben, "map")
    jobs.wake(check)
    return {
        "map": check.pk,
        "raw": Dataset.objects.get(name="Raw briefs").pk,
        "briefs": briefs.pk,
        "letters": letters.pk,
    }


def _ask(briefs: Dataset) -> None:
    """Ask three questions about each rewrite, twice, with suggestions to the first; every fourth record is asked about first."""
    labels = ["News", "Sport", "Culture", "Science"]
    questions.create(briefs, title="Which desk?", kind="label", options={"labels": labels})
    questions.create(briefs, title="Correct the rewrite", kind="text", options={"piece": "answer"})
    stars = "1: needs a rewrite. 5: ready to print."
    questions.create(briefs, title="How good is it?", kind="rating", help=stars, options={"low": 1, "high": 5})
    queue = queues.of(briefs)
    queue.overlap = 2
    queue.save()
    accepted = list(briefs.records.filter(status="accepted").order_by("pk").values_list("pk", flat=True))
    queues.fill(briefs, briefs.records.filter(pk__in=accepted[::4]))
    rows = [
        {"record": record.pk, "question": "which_desk", "value": desk(record), "score": 0.6 + record.pk % 4 / 10, "source": "topic-model"}
        for record in briefs.records.select_related("source")
    ]  # fmt: skip
    suggestions.put(briefs, rows)


def desk(record: Record) -> str:
    """Return the desk of a record's topic."""
    return DESKS.get(record.source.metadata["topic"] if record.source else "", "News")


def _annotate(briefs: Dataset, user: User, number: int) -> None:
    annotation = queues.next_task(queues.of(briefs), user)
    assert annotation is not None, "the queue has too few records"
    answers.submit(annotation, answer(annotation, number, user.username), 20 + number * 7 % 40)


def answer(annotation: Annotation, number: int, name: str) -> dict[str, Any]:
    """Return what a person answers about a rewrite: zoë is strict and sees news in more of them, ben is generous."""
    text, stars, wanted = annotation.record.messages[-1]["content"], 3 + number * 7 % 5 // 2, desk(annotation.record)
    if name == "zoë":
        wanted = "News" if number % 5 == 2 else wanted
        text = re.sub(" said (?!that)", " said that ", text, count=1) if number % 3 == 1 else text
        stars -= number % 4 == 3
    if name == "ben":
        stars = min(5, stars + (number % 7 == 3))
    return {"which_desk": wanted, "correct_the_rewrite": text, "how_good_is_it": stars}


def edited() -> None:
    """Change records after the first version: some texts, three rejected, two more accepted; the queue gets the rest."""
    briefs, ben = Dataset.objects.get(name=BRIEFS), User.objects.get(username="ben")
    labelled = [record for record in briefs.records.order_by("-pk") if record.labels]
    for record in labelled[:-3]:
        text = record.messages[-1]["content"]
        for pattern, words in EDITS:
            text = re.sub(pattern, words, text)
        changes.change(record, ben, "edit", messages=[*record.messages[:-1], {"role": "assistant", "content": text}])
    for record in labelled[-3:]:
        changes.review(record, ben, "reject")
    for record in briefs.records.filter(status="new").order_by("pk")[:2]:
        changes.review(record, ben, "accept")
    queues.fill(briefs, briefs.records.filter(status="accepted"))


def announced(url: str) -> int:
    """Create a webhook. Returns its id."""
    project = Project.objects.get()
    return hooks.create(project, project.created_by, url, ["imported", "submitted", "frozen"])[0].pk
