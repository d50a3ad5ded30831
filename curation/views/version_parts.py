"""Pages about a version: its differences from another, its card, the leaks that keep it from being frozen, its notes."""

from itertools import islice
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404
from atelier.jobs import queue
from curation import data_card, diffs, leaks, packing, version_diff, versions
from curation.models import Version
from curation.version_diff import Diff
from curation.views.downloads import download
from curation.views.versions import crumbs_to, version_or_404


def number(text: str | None) -> int:
    """A cursor of the address, 0 for what is none."""
    return int(text[:18]) if text and text.isascii() and text.isdecimal() else 0


@require_GET
def diff(request: HttpRequest, project_id: int, pk: int, other: int) -> HttpResponse:
    """What turns the version `other` into this one."""
    new = version_or_404(request, project_id, pk)
    old = child_or_404(request.project.versions.select_related("dataset"), other)
    kind = request.GET.get("kind", "changed")
    context: dict[str, Any] = {"new": new, "old": old, "crumbs": crumbs_to(new)}
    try:
        found = version_diff.between(old, new)
        context |= _shown(request, old, new, found, kind if kind in version_diff.KINDS else "changed")
    except ValidationError as error:
        return render(request, "curation/version_diff.html", context | {"error": " ".join(error.messages)}, status=422)
    return render(request, "curation/version_diff.html", context)


def _shown(request: HttpRequest, old: Version, new: Version, found: Diff, kind: str) -> dict[str, Any]:
    pairs, following = found.page(kind, number(request.GET.get("after")))
    rows = list(version_diff.shown(old, new, pairs))
    for row in rows:
        before, after = version_diff.text_of(row["before"]), version_diff.text_of(row["after"])
        row["diff"] = diffs.word_diff(before, after) if kind == "changed" else []
        row["text"] = after or before
    others = new.dataset.versions.filter(status=Version.Status.DONE).exclude(pk=new.pk).order_by("-number")
    return {
        "diff": found,
        "kind": kind,
        "rows": rows,
        "others": others[:50],
        "tabs": [
            {"label": name.capitalize(), "url": f"?kind={name}", "active": name == kind, "count": found.counts[name]}
            for name in version_diff.KINDS
        ],
        "tables": [("By label", found.labels.items()), ("By source", found.sources.items())],
        "next_url": f"{request.path}?{urlencode({'kind': kind, 'after': following})}" if following else None,
    }


@require_GET
def compare(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """The form "compare with": leads to the diff's own address."""
    version = version_or_404(request, project_id, pk)
    other = child_or_404(request.project.versions, number(request.GET.get("with")))
    return redirect("curation:version_diff", project_id, version.pk, other.pk)


@require_GET
def card(request: HttpRequest, project_id: int, pk: int) -> HttpResponseBase:
    """The data card as Markdown."""
    version = _frozen_or_404(request, project_id, pk)
    return download(iter([data_card.file(version).encode()]), f"version-{version.pk}-README.md", "text/markdown")


@require_GET
def package(request: HttpRequest, project_id: int, pk: int) -> HttpResponseBase:
    """Card and splits in one zip."""
    version = _frozen_or_404(request, project_id, pk)
    try:
        pieces = packing.pack(version)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("curation:version", project_id, pk)
    return download(pieces, f"version-{version.pk}.zip", "application/zip")


def _frozen_or_404(request: HttpRequest, project_id: int, pk: int) -> Version:
    version = version_or_404(request, project_id, pk)
    if version.status != Version.Status.DONE:
        raise Http404("It is not frozen yet.")
    return version


@require_POST
def notes(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    version = version_or_404(request, project_id, pk, needs="editor")
    try:
        versions.set_notes(version, request.POST.get("notes", ""))
        messages.success(request, "The notes are saved.")
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return redirect("curation:version", project_id, pk)


@require_GET
def leak_pairs(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """The copies and the near-duplicates that would part, with both records."""
    version = version_or_404(request, project_id, pk)
    found = list(islice(leaks.of(version, number(request.GET.get("after"))), leaks.PAGE + 1))
    copies, more = leaks.page_of_copies(version, request.GET.get("copies", "")[:64])
    address = reverse("curation:version_leaks", args=[project_id, pk])
    context = {
        "version": version,
        "pairs": found[: leaks.PAGE],
        "copies": [pair for _, pair in copies],
        "more_copies": f"{address}?copies={more}" if more else None,
        "texts": leaks.previews([*found[: leaks.PAGE], *(pair for _, pair in copies)]),
        "can_allow": request.project.role.covers("editor") and version.status == Version.Status.FAILED,
        "next_url": f"{address}?after={found[leaks.PAGE - 1].pk}" if found[leaks.PAGE :] else None,
        "crumbs": crumbs_to(version),
    }
    return render(request, "curation/version_leaks.html", context)


@require_POST
def allow_leaks(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Freeze it all the same."""
    version = version_or_404(request, project_id, pk, needs="editor")
    if versions.allow_leaks(version):
        queue.wake(version)
    else:
        messages.error(request, "It was not refused for leaks, so there is nothing to allow.")
    return redirect("curation:version", project_id, pk)
