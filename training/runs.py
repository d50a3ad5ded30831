"""Runs: started, stopped and tried again by people. The work itself is in `execution`."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max

from atelier.accounts.models import Project, User
from curation.models import Dataset, Version
from training import bases
from training.models import Run
from training.recipe import FIELDS, Recipe, RecipeError, fit

MIN_ROWS = 2


def fitting(slug: str) -> Recipe:
    """The recipe for this base that fits this machine. Raises ValidationError for an unknown base."""
    return fit(bases.machine(), bases.get(slug))


def recipe_for(slug: str, changes: dict[str, Any]) -> Recipe:
    """The fitting recipe with some fields changed. Raises ValidationError with a sentence for each bad field."""
    try:
        return fitting(slug).replace(**{**changes, "base": slug})
    except RecipeError as error:
        raise ValidationError(
            {name if name in FIELDS else "__all__": text for name, text in error.problems.items()}
        ) from error


def start(
    version: Version, base: str, recipe: Recipe | None, user: User | None, name: str = "", *, key: str | None = None
) -> Run:
    """A queued run with the project's next number; the caller wakes a worker. Raises ValidationError.

    The same idempotency key gives the same run.
    """
    project = version.project
    if key and (found := Run.objects.filter(project=project, idempotency_key=key).first()):
        return found
    refuse_untrainable(version)
    chosen = recipe_for(base, recipe.to_dict() if recipe else {})
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)  # so that two starts at once get two numbers
        if key and (found := Run.objects.filter(project=project, idempotency_key=key).first()):
            return found
        last = project.runs.aggregate(last=Max("number"))["last"] or 0
        return Run.objects.create(
            project=project,
            version=version,
            number=last + 1,
            name=name.strip()[:120],
            base=base,
            recipe=chosen.to_dict(),
            created_by=user,
            idempotency_key=key or None,
        )


def refuse_untrainable(version: Version) -> None:
    """Raises ValidationError when nothing can be learned from this version."""
    if version.status != Version.Status.DONE:
        state = version.get_status_display().lower()
        raise ValidationError(f"{version} is not frozen yet ({state}): wait until it is done, then train on it.")
    if version.dataset.kind != Dataset.Kind.CONVERSATIONS:
        raise ValidationError(
            f"{version} holds {version.dataset.get_kind_display().lower()}, and training takes conversations: "
            "distil or import some, then freeze those."
        )
    rows = version.counts()["train"]
    if rows < MIN_ROWS:
        raise ValidationError(
            f"{version} has {rows or 'no'} row{'' if rows == 1 else 's'} to train on: accept more records, then freeze a new version."
        )


def trainable(project: Project) -> list[Version]:
    """The versions that a run can start from, the newest first."""
    frozen = (
        Version.objects.filter(project=project, status=Version.Status.DONE, dataset__kind=Dataset.Kind.CONVERSATIONS)
        .select_related("dataset")
        .order_by("-pk")
    )
    return [version for version in frozen if version.counts()["train"] >= MIN_ROWS]


def stop(run: Run) -> bool:
    """Ask for the end of the training now, its adapter kept. False when it does not run."""
    changed = Run.objects.filter(pk=run.pk, status=Run.Status.RUNNING, cancel_wanted=False).update(stop_wanted=True)
    run.refresh_from_db()
    return bool(changed)


def resume(run: Run) -> bool:
    """Queue a paused, failed or cancelled run again: it goes on from its newest whole checkpoint."""
    changed = run.enqueue()
    if changed:
        Run.objects.filter(pk=run.pk).update(stop_wanted=False)
        (run.folder / "stop").unlink(missing_ok=True)
        run.refresh_from_db()
    return changed


MOVES = {"cancel": Run.cancel, "pause": Run.pause, "resume": resume, "stop": stop}


def move(run: Run, name: str) -> None:
    """Cancel, pause, resume, or stop and save. Raises ValidationError when the run's state does not allow it."""
    if not MOVES[name](run):
        state = run.get_status_display().lower()
        raise ValidationError(f"{run.title} is {state}: there is nothing to {name}.")


def files(run: Run) -> list[tuple[str, int]]:
    """The files of a run with their sizes, by their names below its folder."""
    folder = run.folder
    found = [
        path for path in folder.rglob("*") if path.is_file() and not any(p.startswith(".") for p in path.parts[-3:])
    ]
    sized = []
    for path in found:
        try:
            sized.append((str(path.relative_to(folder)), path.stat().st_size))
        except FileNotFoundError:
            continue  # a checkpoint that was just dropped
    return sorted(sized, key=lambda entry: (entry[0].count("/"), entry[0]))


def metrics_file(run: Run) -> Path | None:
    path = run.folder / "metrics.jsonl"
    return path if path.is_file() else None


def recipe_table(run: Run) -> list[dict[str, Any]]:
    """Each field of the recipe in words: name, label, value as people read it, help."""
    table = []
    for name, value in run.recipe.items():
        about = FIELDS[name].metadata if name in FIELDS else {"label": name, "help": ""}
        shown = about.get("choices", {}).get(value, value) if isinstance(value, str) else value
        table.append({"name": name, "label": about["label"], "value": worded(shown), "help": about["help"]})
    return table


def worded(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if value != "" else "as in the rows"
