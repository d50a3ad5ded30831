"""Pages: how one version differs from another."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from atelier.accounts.access import child_or_404
from atelier.jobs.pages import job_or_404
from atelier.web import border
from curation import diffs
from curation.models import Version
from curation.versions import diff as version_diff
from curation.versions.diff import Diff
from curation.views.versions.pages import crumbs_to


@require_GET
def diff(request: HttpRequest, project_id: int, pk: int, other: int) -> HttpResponse:
    """Show the diff from the version `other` to this one."""
    new = job_or_404(request, Version, project_id, pk)
    old = child_or_404(request.project.versions.select_related("dataset"), other)
    kind = request.GET.get("kind", "changed")
    context: dict[str, Any] = {"new": new, "old": old, "crumbs": crumbs_to(new)}
    try:
        difference = version_diff.between(old, new)
        context |= _shown(request, old, new, difference, kind if kind in version_diff.KINDS else "changed")
    except ValidationError as error:
        return render(request, "curation/versions/diff.html", context | {"error": " ".join(error.messages)}, status=422)
    return render(request, "curation/versions/diff.html", context)


def _shown(request: HttpRequest, old: Version, new: Version, difference: Diff, kind: str) -> dict[str, Any]:
    pairs, following = difference.page(kind, border.whole(request.GET.get("after")) or 0)
    rows = list(version_diff.shown(old, new, pairs))
    for row in rows:
        before, after = version_diff.text_of(row["before"]), version_diff.text_of(row["after"])
        row["diff"] = diffs.word_diff(before, after) if kind == "changed" else []
        row["text"] = after or before
    others = (
        new.dataset.versions.filter(status=Version.Status.DONE, archived_at=None).exclude(pk=new.pk).order_by("-number")
    )
    return {
        "diff": difference,
        "kind": kind,
        "rows": rows,
        "others": others[:50],
        "tabs": [
            {
                "label": name.capitalize(),
                "url": f"?kind={name}",
                "active": name == kind,
                "count": difference.counts[name],
            }
            for name in version_diff.KINDS
        ],
        "tables": [("By label", difference.labels.items()), ("By source", difference.sources.items())],
        "next_url": f"{request.path}?{urlencode({'kind': kind, 'after': following})}" if following else None,
    }


@require_GET
def compare(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Redirect from the form "compare with" to the diff's own URL."""
    version = job_or_404(request, Version, project_id, pk)
    other = child_or_404(request.project.versions, border.whole(request.GET.get("with")) or 0)
    return redirect("curation:version_diff", project_id, version.pk, other.pk)
