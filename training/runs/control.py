"""Control of training runs: starting them, default recipes, their files. The job itself is in `runs.job`."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Max

from atelier.accounts.models import Project, User
from atelier.files import quotas
from atelier.jobs.once import once
from curation.models import Dataset, Version
from curation.versions import archive
from training.bases import offers
from training.models import Run
from training.recipe.fields import FIELDS, Recipe, RecipeError
from training.recipe.fit import fit

MIN_ROWS = 2


def fitting(slug: str) -> Recipe:
    """Return the recipe for this base that fits this machine. Raises ValidationError for an unknown base."""
    return fit(offers.machine(), offers.get(slug))


def recipe_for(slug: str, changes: dict[str, Any]) -> Recipe:
    """Return the fitting recipe with some fields changed. Raises ValidationError with a sentence for each bad field."""
    try:
        return fitting(slug).replace(**{**changes, "base": slug})
    except RecipeError as error:
        raise ValidationError(
            {name if name in FIELDS else "__all__": text for name, text in error.problems.items()}
        ) from error


def start(
    version: Version, base: str, recipe: Recipe | None, user: User | None, name: str = "", *, key: str | None = None
) -> Run:
    """Queue a run with the project's next number; the caller wakes a worker. Raises ValidationError.

    The same idempotency key returns the same run.
    """
    project = version.project

    def make() -> Run:
        quotas.refuse_disk(project)
        refuse_untrainable(version)
        refuse_untrainable_base(base)
        chosen = recipe_for(base, recipe.to_dict() if recipe else {}).to_dict()
        return Run(project=project, version=version, name=name.strip()[:120], base=base, recipe=chosen, created_by=user)

    def write(run: Run) -> None:
        Project.objects.select_for_update().get(pk=project.pk)  # so that two starts at once get two numbers
        run.number = (project.runs.aggregate(last=Max("number"))["last"] or 0) + 1
        run.save()

    return once(project.runs, key, make, write)


def refuse_untrainable(version: Version) -> None:
    """Raise ValidationError when nothing can be learned from this version."""
    archive.refuse_archived(version)
    if version.status != Version.Status.DONE:
        state = version.get_status_display().lower()
        raise ValidationError(f"{version} is not frozen yet ({state}). Wait until it is done, then train on it.")
    if version.dataset.kind != Dataset.Kind.CONVERSATIONS:
        raise ValidationError(
            f"{version} holds {version.dataset.get_kind_display().lower()}, and training needs conversations. Distil or import some, then freeze them."
        )
    rows = version.counts()["train"]
    if rows < MIN_ROWS:
        raise ValidationError(
            f"{version} has {rows or 'no'} row{'' if rows == 1 else 's'} to train on. Accept more records, then freeze a new version."
        )


def refuse_untrainable_base(slug: str) -> None:
    """Raise ValidationError when the base cannot be trained here, whatever the memory."""
    base = offers.get(slug)
    if base.untrainable:
        raise ValidationError({"base": f"{base.title} cannot be trained here. {base.untrainable}"})


def trainable(project: Project) -> list[Version]:
    """Return the versions that a run can start from, the newest first."""
    frozen = (
        Version.objects.filter(
            project=project, status=Version.Status.DONE, archived_at=None, dataset__kind=Dataset.Kind.CONVERSATIONS
        )
        .select_related("dataset")
        .order_by("-pk")
    )
    return [version for version in frozen if version.counts()["train"] >= MIN_ROWS]


def erased(run: Run) -> tuple[int, int]:
    """Count the rows of the run's version that were erased before the run began, and since: its weights may hold those."""
    if run.started_at is None or not run.version.erased:
        return run.version.erased, 0
    since = run.version.erased_files.filter(at__gte=run.started_at).values_list("rows", flat=True)
    later = sum(len(rows) for rows in since)
    return run.version.erased - later, later


def files(run: Run) -> list[tuple[str, int]]:
    """Return the files of a run with their sizes, by their names below its folder."""
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
    """Return each field of the recipe in words: name, label, value as people read it, help."""
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
    return str(value) if value != "" else "from the rows"
