"""Imports from other annotation tools, whose rows bring questions, annotations and suggestions along.

The job first looks through the whole file for its questions, creates them, and then takes task after task through the
import's ledger. What of a task has no place here is listed with its reason. Importing again adds what is missing.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from atelier.accounts.models import User
from atelier.jobs.claims import Claim
from curation.annotation import questions
from curation.annotation import queue as queues
from curation.formats import FormatError, Mapping, Source
from curation.formats.annotation_tools import argilla, label_studio
from curation.formats.annotation_tools.annotations import KINDS, ToolQuestion
from curation.imports import reader
from curation.imports import rows as import_rows
from curation.imports.annotated.rows import TaskWriter
from curation.models import Dataset, Import, Question, Queue
from curation.records import targets

NAMES = {"label_studio": label_studio.NAME, "label_studio_min": label_studio.NAME, "argilla": argilla.NAME}
LOOKED_AT, SECONDS = 1000, 2.0  # of a file, before its start
MOST_PEOPLE = 500
TRIES = 20


def name_of(job: Import) -> str:
    """Return the tool that the file comes from; empty for any other file."""
    return NAMES.get(job.source.get("tool", ""), "")


def key_of(job: Import) -> str:
    return argilla.KEY if job.source["tool"] == "argilla" else label_studio.KEY


def translator(job: Import) -> Any:
    return argilla if job.source["tool"] == "argilla" else label_studio


# --- before the start ------------------------------------------------------------------------------


def configure(job: Import, *, config: str = "", people: Any = None, kinds: Any = None) -> None:
    """Note on a draft how it is to be imported: the labelling configuration, who is who, and other kinds of questions.

    Kinds differ from those suggested; an empty one leaves the question out. Raises ValidationError; the caller saves
    the job.
    """
    if not name_of(job):
        raise ValidationError("This isn't an export of Label Studio (JSON, JSON-MIN) or Argilla. Import it as a file.")
    if config.strip():
        try:
            with reader.FileReader() as file:
                file.check_config(config)
        except FormatError as error:
            raise ValidationError(str(error)) from error
    state = job.source.setdefault("moving", {})
    state["config"] = config
    state["people"] = _people_given(job, people or {})
    state["kinds"] = _kinds_given(kinds or {})


def _people_given(job: Import, people: Any) -> dict[str, str]:
    usernames = set(members(job).values_list("username", flat=True))
    if not isinstance(people, dict) or len(people) > MOST_PEOPLE:
        raise ValidationError('`people` must be an object, such as {"user 1": "ann"}.')
    for who, username in people.items():
        if username and (not isinstance(username, str) or username not in usernames):
            raise ValidationError(
                f"{str(username)[:60]!r} isn't a member of this team, so {who[:60]!r} cannot be matched."
            )
    return {str(who)[:150]: str(username or "") for who, username in people.items()}


def _kinds_given(given: Any) -> dict[str, str]:
    if not isinstance(given, dict) or not all(kind in KINDS for kind in given.values()):
        raise ValidationError(f"`kinds` must be an object of questions and one of {', '.join(KINDS[:-1])}, or empty.")
    return {str(name)[:200]: str(kind) for name, kind in given.items()}


def members(job: Import) -> QuerySet[User]:
    """Return the people who may have answered: those of the team, whatever their role is now."""
    return User.objects.filter(memberships__team=job.project.team_id).order_by("username")


def look(
    job: Import, path: Path, mapping: Mapping
) -> tuple[list[tuple[ToolQuestion, list[str]]], dict[str, User | None]]:
    """Return the questions of the first tasks, each with the kinds it can be, the suggested one first; and who answered them.

    For the preview: reads for at most two seconds. Raises FormatError.
    """
    with reader.FileReader(path) as file:
        survey = file.survey(Source.from_json(job.source), _config(job), LOOKED_AT, SECONDS)
    options = [could_be(question) for question in survey.asked]
    asked = list(zip(chosen(job, survey.asked, mapping), options, strict=True))
    return asked, _who(job, survey.people[:MOST_PEOPLE])


def _config(job: Import) -> str:
    return str(job.source.get("moving", {}).get("config", ""))


def chosen(job: Import, tool_questions: list[ToolQuestion], mapping: Mapping) -> list[ToolQuestion]:
    """Return the questions with the kinds that a person chose, if they can have those."""
    kinds = job.source.get("moving", {}).get("kinds", {})
    for question in tool_questions:
        wanted = kinds.get(question.source, question.kind)
        if wanted in could_be(question):
            question.kind = wanted
        _aim(question, mapping)
    return tool_questions


def could_be(question: ToolQuestion) -> list[str]:
    """Return the kinds that a question can have here, the suggested one first."""
    others = {"text": ["comment"], "comment": ["text"] if not question.labels else [], "label": ["labels", "comment"]}
    others |= {"labels": ["comment"], "rating": ["comment"]}
    return [question.kind, *others.get(question.kind, []), *([""] if question.kind else [])]


def _aim(question: ToolQuestion, mapping: Mapping) -> None:
    """Turn columns into names of texts in a record; a question about a text that no record has cannot be asked."""
    aims = [target(mapping, column) for column in question.columns]
    if question.kind == "ranking" and question.pieces == question.columns and all(aims):
        question.pieces = [aim for aim in aims if aim]
    if question.kind in ("spans", "text") and not (aims and aims[0]):
        question.kind = "comment" if question.kind == "text" else ""
        question.note = "The text of this question is not part of the record. Choose another use for its column."


def target(mapping: Mapping, column: str) -> str:
    """Return the name, as questions take it, of the text that a column becomes; empty if it becomes none."""
    if column in mapping.fields:
        return f"{targets.FIELD}{column}"
    if column in (mapping.chosen, mapping.rejected):
        return "chosen" if column == mapping.chosen else "rejected"
    alone = list(mapping.roles.values()).count(mapping.roles.get(column, "")) == 1
    names = {"user": "prompt", "assistant": "answer"}
    return names.get(mapping.roles.get(column, ""), "") if alone else ""


def _who(job: Import, authors: list[str]) -> dict[str, User | None]:
    """Return the member that each author is: as a person chose, else by e-mail or username."""
    names_by_author = job.source.get("moving", {}).get("people", {})
    people = list(members(job))
    by_name = {user.username: user for user in people}
    by_any = {user.username.lower(): user for user in people} | {u.email.lower(): u for u in people if u.email}
    return {
        who: by_name.get(names_by_author[who]) if who in names_by_author else by_any.get(who.lower()) for who in authors
    }


# --- the work ------------------------------------------------------------------------------------


def run(claim: Claim[Import], path: Path) -> None:
    """Find the questions, create them, and import task after task, from where the ledger ends."""
    job = claim.job
    if "asked" not in job.source.get("moving", {}):
        _look_through(claim, path)
    queue = queues.of(job.dataset)
    tool_questions = [ToolQuestion.from_json(fields) for fields in job.source["moving"]["asked"]]
    made = _make_questions(job, tool_questions)
    writer = TaskWriter(job, translator(job), queue, tool_questions, made, _who(job, job.source["moving"]["authors"]))
    import_rows.run(claim, path, writer)
    claim.progress(line=f"{import_rows.outcome(job)} {summary(job)}")


def _look_through(claim: Claim[Import], path: Path) -> None:
    job = claim.job
    claim.progress(line=f"Reading the questions in {job.original_name}")
    survey = reader.survey(
        path, Source.from_json(job.source), _config(job),
        seen=lambda number: claim.progress(line=f"Reading the questions: {number:,} tasks seen"), look=claim.obey,
    )  # fmt: skip
    asked = [question.to_json() for question in chosen(job, survey.asked, Mapping.from_json(job.mapping))]
    state = job.source.get("moving", {}) | {"asked": asked, "authors": survey.people}
    if survey.guidelines:
        _guide(job.dataset, survey.guidelines)
    claim.update(source=job.source | {"moving": state})


def _guide(dataset: Dataset, words: str) -> None:
    """Copy the tool's guidelines, unless people here wrote some."""
    queues.of(dataset)
    Queue.objects.filter(dataset=dataset, guidelines="").update(guidelines=words.replace("\x00", " ")[:100_000])


def _make_questions(job: Import, tool_questions: list[ToolQuestion]) -> dict[str, Question]:
    """Return each question by its name in the tool; an existing one of the same name and kind gets the labels it lacks."""
    questions_by_source: dict[str, Question] = {}
    mapping = Mapping.from_json(job.mapping)
    for question in tool_questions:
        if not question.kind:
            continue
        try:
            questions_by_source[question.source] = _question(job.dataset, question, _options(question, mapping))
        except ValidationError as error:
            question.kind, question.note = "", " ".join(error.messages)
    return questions_by_source


def _question(dataset: Dataset, question: ToolQuestion, options: dict[str, Any]) -> Question:
    for name in _names(question.source):
        there = dataset.questions.filter(name=name).first()
        if there is None or (there.kind == question.kind and there.options.get("piece") == options.get("piece")):
            break
    else:
        raise ValidationError(f"{TRIES} questions called {question.source} already exist.")
    if there is None:
        title = " ".join("".join(c if c.isprintable() else " " for c in question.title).split())[:200] or name
        values = {"name": name, "title": title, "help": question.help, "kind": question.kind, "options": options}
        return questions.create(dataset, required=question.required, **values)
    merged = _merged(there.options, options)
    return there if merged == there.options else questions.change(there, options=merged)


def _names(source: str) -> Iterator[str]:
    base = questions.slug(source)
    yield base
    yield from (f"{base[:55]}_{n}" for n in range(2, TRIES + 1))


def _options(question: ToolQuestion, mapping: Mapping) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if question.kind in questions.LABELLED:
        options["labels"] = [
            {"value": v} | ({"text": text[:200]} if text else {}) for v, text in question.labels.items()
        ]
    if question.kind in ("text", "spans"):
        options["piece"] = target(mapping, question.columns[0])
    if question.kind == "rating":
        options |= {"low": question.low, "high": question.high}
    if question.kind == "ranking":
        options["pieces"] = question.pieces
    return options


def _merged(there: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return the existing options, with labels and steps that only the new ones have."""
    merged = dict(there)
    if "labels" in new:
        known = {label["value"] for label in there["labels"]}
        merged["labels"] = [*there["labels"], *(label for label in new["labels"] if label["value"] not in known)]
    if "low" in new:
        merged |= {"low": min(there["low"], new["low"]), "high": max(there["high"], new["high"])}
    return merged


WORDS = {
    "annotations": "annotation", "skipped": "skipped annotation", "drafts": "draft", "suggestions": "suggestion",
    "known": "known answer", "disputed": "task whose answers differ",
}  # fmt: skip
HEADINGS = {
    "annotations": "Annotations", "skipped": "Skipped", "drafts": "Drafts", "suggestions": "Suggestions",
    "known": "Known answers", "disputed": "Disputed tasks",
}  # fmt: skip
PLURAL = {"disputed": "tasks whose answers differ"}


def facts(job: Import) -> dict[str, Any] | None:
    """Count what was imported besides the records and what could not be; None for an import of any other file."""
    state = job.source.get("moving", {})
    left = {code: {"count": count, "message": message} for code, (count, message) in state.get("left", {}).items()}
    return {"from": name_of(job), "counts": state.get("counts", {}), "left": left} if name_of(job) else None


def summary(job: Import) -> str:
    """Describe what was imported besides the records, and how much could not be, as a sentence."""
    state = job.source.get("moving", {})
    counts = state.get("counts", {})
    parts = [
        f"{counts[name]:,} {word if counts[name] == 1 else PLURAL.get(name, f'{word}s')}"
        for name, word in WORDS.items()
        if counts.get(name)
    ]
    left = sum(count for count, _ in state.get("left", {}).values())
    sentence = f"{', '.join(parts) or 'No annotations'}." if parts or not left else ""
    return f"{sentence} {left:,} thing{'' if left == 1 else 's'} could not be imported.".strip() if left else sentence
