"""Pages of versions, a new one with live counts, what is in one, and its files."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import project_or_404
from atelier.accounts.models import Project
from atelier.files.downloads import download
from atelier.jobs import queue
from atelier.jobs.pages import addresses, job_or_404, moved, polled
from atelier.web import border, markdown
from atelier.web.methods import require_GET_POST
from atelier.web.toasts import say_error
from curation.forms.datasets import named_errors
from curation.forms.distillations import FreezeForm, freezable
from curation.models import Record, Version
from curation.quality import duplicates as near
from curation.records.splits import SPLITS
from curation.search import selection
from curation.versions import files as version_files
from curation.versions import freezes, leaks, lineage, preview
from curation.versions.grouping import Grouping

LABELS = 30  # the rarest, in a table
VERIFY_ON_SIGHT = 20_000  # rows; larger ones are checked when they are used, not whenever somebody looks


@require_GET
def index(request: HttpRequest, project_id: int) -> HttpResponse:
    """Show the versions; `?archived=1` those in the archive."""
    project = project_or_404(request, project_id)
    archived = "archived" in request.GET
    rows = project.versions.filter(archived_at__isnull=not archived)
    return render(
        request,
        "curation/versions/index.html",
        {
            "rows": rows.select_related("dataset", "created_by").order_by("-pk")[:200],
            "archived": archived,
            "archived_count": project.versions.exclude(archived_at=None).count(),
            "can_edit": project.role.covers("editor"),
            "has_datasets": freezable(project).exists(),
        },
    )


@require_GET_POST
def new(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="editor")
    if not freezable(project).exists():
        return redirect("curation:versions", project.pk)
    form = FreezeForm(request.POST or None, project=project, initial=_initial(request, project))
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            version = freezes.create(
                data["dataset"],
                request.user,
                filters=form.filters,
                shares=form.shares,
                seed=data["seed"],
                notes=data["notes"],
                allow_leaks=data["allow_leaks"],
                grouping=form.grouping,
            )
        except ValidationError as error:
            form.add_error(None, error)
        else:
            queue.wake(version)
            return redirect("curation:version", project.pk, version.pk)
    context = {"form": form, "crumbs": _crumbs(project_id), "counts": _counts(project, form)}
    return render(request, "curation/versions/new.html", context, status=422 if form.errors else 200)


@require_GET
def counts(request: HttpRequest, project_id: int) -> HttpResponse:
    """Return how many records each split would get, as the form is filled in."""
    project = project_or_404(request, project_id, needs="editor")
    form = FreezeForm(request.GET, project=project)
    return render(request, "curation/versions/new.html#counts", {"form": form, "counts": _counts(project, form)})


def _counts(project: Project, form: FreezeForm) -> dict[str, Any]:
    if form.is_bound and not form.is_valid() and not hasattr(form, "cleaned_data"):
        return {}
    grouping = Grouping()
    if form.is_bound:
        if form.errors:
            return {"error": " ".join(named_errors(form))}
        dataset, filters, shares, seed, grouping = (
            form.cleaned_data["dataset"],
            form.filters,
            form.shares,
            form.cleaned_data["seed"],
            form.grouping,
        )
    else:
        initial = form.initial
        dataset, seed, shares = (
            initial["dataset"],
            initial["seed"],
            {split: float(initial[split]) / 100 for split in SPLITS},
        )
        filters = {"status": Record.Status.ACCEPTED, "problems": "none"}
    seen = preview.of(dataset, filters, shares, seed, grouping)
    problems = selection.select(dataset, filters | {"problems": "some"}).count()
    return {
        "splits": seen.counts,
        "total": seen.total,
        "groups": seen.groups,
        "warnings": seen.warnings,
        "labels": list(seen.labels.items())[:LABELS],
        "more_labels": max(0, len(seen.labels) - LABELS),
        "threshold": near.threshold(dataset),
        "dataset": dataset,
        "problems": problems,
        "clean": filters["problems"] == "none",
    }


def _initial(request: HttpRequest, project: Project) -> dict[str, Any]:
    datasets, wanted = freezable(project), border.whole(request.GET.get("dataset"))
    dataset = datasets.filter(pk=wanted).first() if wanted else None
    accepted = datasets.filter(records__status=Record.Status.ACCEPTED, records__deleted_at=None)
    dataset = dataset or accepted.first() or datasets.first()
    return {"dataset": dataset, "seed": dataset.seed} | {
        split: f"{dataset.shares.get(split, 0) * 100:g}" for split in SPLITS
    }


def crumbs_to(version: Version) -> list[tuple[str, str]]:
    """Return the breadcrumbs of what belongs to a version."""
    args = [version.project_id, version.pk]
    return [*_crumbs(version.project_id), (str(version), reverse("curation:version", args=args))]


def _crumbs(project_id: int) -> list[tuple[str, str]]:
    return [("Versions", reverse("curation:versions", args=[project_id]))]


@require_GET
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    version = job_or_404(request, Version, project_id, pk)
    split = request.GET.get("split", "train")
    context = _job_context(request, version) | {
        "crumbs": _crumbs(project_id),
        "split": split if split in SPLITS else "train",
    }
    if version.status == Version.Status.DONE:
        context |= _contents(version, context["split"])
    return render(request, "curation/versions/version.html", context)


def _contents(version: Version, split: str) -> dict[str, Any]:
    tokenizer = next((row["tokenizer"] for row in version.tokens.values()), "")
    return {
        "broken": version_files.verify(version) if version.rows <= VERIFY_ON_SIGHT else [],
        "splits": [
            {
                **version.files.get(name, {}),
                "living": version.counts()[name],
                **version.tokens.get(name, {"prompt": 0, "answer": 0, "longest": 0}),
                "name": name,
            }
            for name in SPLITS
        ],
        "tokens": sum(row["prompt"] + row["answer"] for row in version.tokens.values()),
        "tokenizer": tokenizer,
        "samples": version_files.samples(version, split),
        "filters": selection.words(version.filters),
        "labels": list(version.figures.get("label_splits", {}).items())[:LABELS],
        "grouping": Grouping.of(version.grouping),
        "tabs": [
            {
                "label": name.capitalize(),
                "url": f"?split={name}#rows",
                "active": name == split,
                "count": version.counts()[name],
            }
            for name in SPLITS
        ],
        "onward": lineage.onward(version),
        "erased_files": version.erased_files.select_related("erasure").order_by("pk"),
        "card": markdown.render(version.card) if version.card else "",
        "others": version.dataset.versions.filter(status=Version.Status.DONE, archived_at=None)
        .exclude(pk=version.pk)
        .order_by("-number")[:50],
        **lineage.sources(version),
    }


def _job_context(request: HttpRequest, version: Version) -> dict[str, Any]:
    return {
        "job": version,
        "version": version,
        "can_edit": request.project.role.covers("editor"),
        **addresses(version),
        "leaks": leaks.was_refused(version),
        "can_join": leaks.was_refused(version) and not Grouping.of(version.grouping).keep_together,
        "warnings": version.figures.get("warnings", []),
        "next_line": "Next: train a student on this version." if version.is_live else "",
    }


@require_GET
def progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    version = job_or_404(request, Version, project_id, pk)
    return polled(request, version, _job_context(request, version))


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    """Cancel a freeze, or retry a failed one. A frozen version never changes."""
    version = job_or_404(request, Version, project_id, pk, needs="editor")
    return moved(request, version, move, _job_context)


@require_GET
def split_file(request: HttpRequest, project_id: int, pk: int, split: str) -> HttpResponseBase:
    """Download a split as JSONL, exactly as it was frozen."""
    version = job_or_404(request, Version, project_id, pk)
    try:
        pieces = version_files.export(version, split)
    except ValidationError as error:
        say_error(request, error)
        return redirect("curation:version", project_id, pk)
    return download(pieces, f"version-{version.pk}-{split}.jsonl")


@require_POST
def notes(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    version = job_or_404(request, Version, project_id, pk, needs="editor")
    try:
        freezes.set_notes(version, request.POST.get("notes", ""))
        messages.success(request, "The notes were saved.")
    except ValidationError as error:
        say_error(request, error)
    return redirect("curation:version", project_id, pk)
