"""Moving over from another annotation tool: an import whose rows bring questions, annotations and suggestions along.

The job first looks through the whole file for what is asked, makes the questions, and then takes task after task through
the import's ledger. What of a task has no place here is listed with its reason. Moving again adds what is missing.
"""

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from atelier.accounts.models import User
from atelier.jobs.claims import Claim
from curation import import_rows
from curation.annotation import questions, targets
from curation.annotation import queue as queues
from curation.formats import Mapping, Source, argilla, label_studio, read, suggest
from curation.formats.label_studio_survey import ConfigError, Survey, read_config
from curation.formats.moves import KINDS, Asked
from curation.models import Dataset, Import, Question, Queue
from curation.moving_rows import Batch

NAMES = {"label_studio": label_studio.NAME, "label_studio_min": label_studio.NAME, "argilla": argilla.NAME}
LOOKED_AT, SECONDS = 1000, 2.0  # of a file, before its start
EVERY = 2000  # tasks between two looks at the wishes of people
MOST_PEOPLE = 500
TRIES = 20


def name_of(job: Import) -> str:
    """The tool that the file comes from; empty for any other file."""
    return NAMES.get(job.source.get("tool", ""), "")


def key_of(job: Import) -> str:
    return argilla.KEY if job.source["tool"] == "argilla" else label_studio.KEY


def translator(job: Import) -> Any:
    return argilla if job.source["tool"] == "argilla" else label_studio


# --- before the start ------------------------------------------------------------------------------


def suggested(tool: str, columns: tuple[str, ...], rows: list[dict[str, Any]], kind: str | None) -> tuple[Mapping, str]:
    """A mapping for tasks: conversations where every task has one, else all columns as fields. The task's id is the key."""
    own = (argilla.KEY, argilla.META) if tool == "argilla" else (label_studio.KEY, label_studio.META)
    data = [name for name in columns if name not in own]
    mapping, why = suggest(data, rows, kind)
    whole = mapping.messages and all(row.get(mapping.messages) for row in rows)
    if kind in (None, "documents") and not whole:
        mapping, why = Mapping("documents", fields=data), "The data of each task becomes the fields of a document."
    mapping.key, mapping.group = own[0], ""
    mapping.fields = mapping.fields or [name for name in data if name not in mapping.columns]
    mapping.metadata = [name for name in columns if name not in mapping.columns]
    return mapping, f"{why} “{own[0]}” is the task's id, so that moving again adds nothing twice."


def wish(job: Import, *, config: str = "", people: Any = None, kinds: Any = None) -> None:
    """Note on a draft how it is to be moved: the labelling configuration, who is who, and kinds of questions other than
    those suggested (empty: leave out). Raises ValidationError; the caller saves the job."""
    if not name_of(job):
        raise ValidationError("This is no export of Label Studio (JSON, JSON-MIN) or Argilla: import it as a file.")
    if config.strip():
        try:
            read_config(config)
        except ConfigError as error:
            raise ValidationError(str(error)) from error
    state = job.source.setdefault("moving", {})
    state["config"] = config
    state["people"] = _people_given(job, people or {})
    state["kinds"] = _kinds_given(kinds or {})


def _people_given(job: Import, given: Any) -> dict[str, str]:
    known = set(members(job).values_list("username", flat=True))
    if not isinstance(given, dict) or len(given) > MOST_PEOPLE:
        raise ValidationError('Who is who is an object, such as {"user 1": "ann"}.')
    for who, username in given.items():
        if username and username not in known:
            raise ValidationError(f"There is no {str(username)[:60]!r} in this team, who would be {who[:60]!r}.")
    return {str(who)[:150]: str(username or "") for who, username in given.items()}


def _kinds_given(given: Any) -> dict[str, str]:
    if not isinstance(given, dict) or not all(kind in KINDS for kind in given.values()):
        raise ValidationError(f"Kinds are an object of questions and one of {', '.join(KINDS[:-1])}, or empty.")
    return {str(name)[:200]: str(kind) for name, kind in given.items()}


def members(job: Import) -> QuerySet[User]:
    """Who may have answered: the team's people, whatever their role is now."""
    return User.objects.filter(memberships__team=job.project.team_id).order_by("username")


def look(job: Import, path: Path, mapping: Mapping) -> tuple[list[tuple[Asked, list[str]]], dict[str, User | None]]:
    """What the first tasks ask, each with the kinds it can be, the suggested one first; and who answered them. For the
    preview: at most two seconds of looking."""
    survey = _survey(job, path)
    until = time.monotonic() + SECONDS
    for row in islice(read(path, Source.from_json(job.source)), LOOKED_AT):
        if row.task is not None:
            survey.see(row.task)
        if time.monotonic() > until:
            break
    found = [who for who, _ in survey.people.most_common(MOST_PEOPLE)]
    asked = survey.asked()
    options = [could_be(one) for one in asked]
    return list(zip(chosen(job, asked, mapping), options, strict=True)), _who(job, found)


def _survey(job: Import, path: Path) -> Survey | argilla.Survey:
    if job.source["tool"] != "argilla":
        return Survey(job.source.get("moving", {}).get("config", ""))
    source = Source.from_json(job.source | {"tool": ""})
    return argilla.Survey(argilla.settings_in(read(path, source)) if source.compression == "zip" else {})


def chosen(job: Import, asked: list[Asked], mapping: Mapping) -> list[Asked]:
    """The questions with the kinds that a person chose, where those can be."""
    kinds = job.source.get("moving", {}).get("kinds", {})
    for one in asked:
        wanted = kinds.get(one.source, one.kind)
        if wanted in could_be(one):
            one.kind = wanted
        _aim(one, mapping)
    return asked


def could_be(one: Asked) -> list[str]:
    """The kinds that a question can have here, the suggested one first."""
    others = {"text": ["comment"], "comment": ["text"] if not one.labels else [], "label": ["labels", "comment"]}
    others |= {"labels": ["comment"], "rating": ["comment"]}
    return [one.kind, *others.get(one.kind, []), *([""] if one.kind else [])]


def _aim(one: Asked, mapping: Mapping) -> None:
    """Columns become names of texts in a record; a question about a text that no record has cannot be asked."""
    aims = [target(mapping, column) for column in one.columns]
    if one.kind == "ranking" and one.pieces == one.columns and all(aims):
        one.pieces = [aim for aim in aims if aim]
    if one.kind in ("spans", "text") and not (aims and aims[0]):
        one.kind = "comment" if one.kind == "text" else ""
        one.note = "The text that it is about is no text of the record: choose another use for its column."


def target(mapping: Mapping, column: str) -> str:
    """The name, as questions take it, of the text that a column becomes; empty when it becomes none."""
    if column in mapping.fields:
        return f"{targets.FIELD}{column}"
    if column in (mapping.chosen, mapping.rejected):
        return "chosen" if column == mapping.chosen else "rejected"
    alone = list(mapping.roles.values()).count(mapping.roles.get(column, "")) == 1
    names = {"user": "prompt", "assistant": "answer"}
    return names.get(mapping.roles.get(column, ""), "") if alone else ""


def _who(job: Import, authors: list[str]) -> dict[str, User | None]:
    """The member that each author is: as a person said, else by e-mail or username."""
    given = job.source.get("moving", {}).get("people", {})
    people = list(members(job))
    by_name = {user.username: user for user in people}
    by_any = {user.username.lower(): user for user in people} | {u.email.lower(): u for u in people if u.email}
    return {who: by_name.get(given[who]) if who in given else by_any.get(who.lower()) for who in authors}


# --- the work ------------------------------------------------------------------------------------


def run(claim: Claim[Import], path: Path) -> None:
    """Find out what is asked, make the questions, and take over task after task, from where the ledger ends."""
    job = claim.job
    if "asked" not in job.source.get("moving", {}):
        _look_through(claim, path)
    queue = queues.of(job.dataset)
    asked = [Asked.from_json(one) for one in job.source["moving"]["asked"]]
    made = _make_questions(job, asked)
    batch = Batch(job, translator(job), queue, asked, made, _who(job, job.source["moving"]["authors"]))
    import_rows.run(claim, path, batch)
    claim.progress(line=f"{import_rows.outcome(job)} {told(job)}")


def _look_through(claim: Claim[Import], path: Path) -> None:
    job = claim.job
    survey = _survey(job, path)
    claim.progress(line=f"Looking for what was asked in {job.original_name}")
    for number, row in enumerate(read(path, Source.from_json(job.source)), 1):
        if row.task is not None:
            survey.see(row.task)
        if number % EVERY == 0:
            claim.progress(line=f"Looking for what was asked: {number:,} tasks seen")
    asked = [one.to_json() for one in chosen(job, survey.asked(), Mapping.from_json(job.mapping))]
    state = job.source.get("moving", {}) | {"asked": asked, "authors": list(survey.people)[:10_000]}
    if isinstance(survey, argilla.Survey) and (words := str(survey.settings.get("guidelines") or "")):
        _guide(job.dataset, words)
    claim.update(source=job.source | {"moving": state})


def _guide(dataset: Dataset, words: str) -> None:
    """The tool's guidelines, unless people here wrote some."""
    queues.of(dataset)
    Queue.objects.filter(dataset=dataset, guidelines="").update(guidelines=words.replace("\x00", " ")[:100_000])


def _make_questions(job: Import, asked: list[Asked]) -> dict[str, Question]:
    """The question of each, by its name in the tool; one of the same name and kind that is there gets the labels it lacks."""
    made: dict[str, Question] = {}
    mapping = Mapping.from_json(job.mapping)
    for one in asked:
        if not one.kind:
            continue
        try:
            made[one.source] = _question(job.dataset, one, _options(one, mapping))
        except ValidationError as error:
            one.kind, one.note = "", " ".join(error.messages)
    return made


def _question(dataset: Dataset, one: Asked, options: dict[str, Any]) -> Question:
    for name in _names(one.source):
        there = dataset.questions.filter(name=name).first()
        if there is None or (there.kind == one.kind and there.options.get("piece") == options.get("piece")):
            break
    else:
        raise ValidationError(f"There are {TRIES} questions called {one.source} already.")
    if there is None:
        title = " ".join("".join(c if c.isprintable() else " " for c in one.title).split())[:200] or name
        values = {"name": name, "title": title, "help": one.help, "kind": one.kind, "options": options}
        return questions.create(dataset, required=one.required, **values)
    merged = _merged(there.options, options)
    return there if merged == there.options else questions.change(there, options=merged)


def _names(source: str) -> Iterator[str]:
    base = questions.slug(source)
    yield base
    yield from (f"{base[:55]}_{n}" for n in range(2, TRIES + 1))


def _options(one: Asked, mapping: Mapping) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if one.kind in questions.LABELLED:
        options["labels"] = [{"value": v} | ({"text": text[:200]} if text else {}) for v, text in one.labels.items()]
    if one.kind in ("text", "spans"):
        options["piece"] = target(mapping, one.columns[0])
    if one.kind == "rating":
        options |= {"low": one.low, "high": one.high}
    if one.kind == "ranking":
        options["pieces"] = one.pieces
    return options


def _merged(there: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The options that are there, with labels and steps that only the new ones have."""
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
    """What came besides the records and what could not, as counts; None for an import of any other file."""
    state = job.source.get("moving", {})
    left = {code: {"count": count, "message": message} for code, (count, message) in state.get("left", {}).items()}
    return {"from": name_of(job), "counts": state.get("counts", {}), "left": left} if name_of(job) else None


def told(job: Import) -> str:
    """What came besides the records, and how much could not, as a sentence."""
    state = job.source.get("moving", {})
    counts = state.get("counts", {})
    parts = [
        f"{counts[name]:,} {word if counts[name] == 1 else PLURAL.get(name, f'{word}s')}"
        for name, word in WORDS.items()
        if counts.get(name)
    ]
    left = sum(count for count, _ in state.get("left", {}).values())
    sentence = f"{', '.join(parts) or 'No annotations'}." if parts or not left else ""
    return f"{sentence} {left:,} thing{'' if left == 1 else 's'} could not be taken over.".strip() if left else sentence
