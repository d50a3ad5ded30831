"""What the tests of comparisons and evaluations share: endpoints on a fake server, a frozen version, rules."""

from typing import Any

from atelier.accounts.models import Project, User
from atelier.jobs import claims
from curation.models import Version
from curation.versions import freezes
from curation.versions import job as freeze_job
from inference.comparisons import turns
from inference.models import Comparison, Endpoint, Turn
from tests.curation.teacher import conversations, endpoint, teacher_server

__all__ = ["RULES", "comparing", "conversations", "endpoint", "frozen", "pair", "said", "teacher_server"]

RULES = """
name = "House"
[[rule]]
id = "length"
title = "No sentence above four words"
kind = "sentence_words"
group = "shape"
[rule.params]
max = 4
[[rule]]
id = "hype"
title = "No hype"
kind = "forbid_words"
[rule.params]
words = ["amazing"]
"""


def pair(project: Project, url: str, count: int = 2) -> list[Endpoint]:
    """Return endpoints Base, Tuned, Third, Fourth on one server; the server sees them by their model."""
    found = []
    for name in ("Base", "Tuned", "Third", "Fourth")[:count]:
        made = endpoint(project, url, name=name)
        made.model = name.lower()
        made.save()
        found.append(made)
    return found


def comparing(project: Project, user: User, url: str, count: int = 2, **more: Any) -> Comparison:
    return turns.create(project, user, pair(project, url, count), **more)


def said(found: Comparison, user: User, prompt: str = "Hello?", state: str = "done", **more: Any) -> Turn:
    """Return a turn whose answers are already written, without a server."""
    turn = turns.say(found, user, prompt, **more)
    for reply in turn.replies.select_related("side__endpoint"):
        turn.replies.filter(pk=reply.pk).update(
            state=state, text=f"{reply.side.endpoint.name} says {prompt}", seconds=1.0
        )
    return turn


def frozen(project: Project, user: User, count: int = 12) -> Version:
    """Return a version of which every split has rows."""
    dataset = conversations(project, count)
    version = freezes.create(dataset, user, shares={"train": 0.4, "validation": 0.3, "test": 0.3})
    claims.execute(Version, version.pk, freeze_job.run)
    version.refresh_from_db()
    return version
