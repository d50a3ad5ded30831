"""Pages: copies and near-duplicates that keep a version from being frozen, and allowing them."""

from itertools import islice

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.jobs import queue
from atelier.jobs.pages import job_or_404
from atelier.web import border
from curation.models import Version
from curation.quality import duplicates
from curation.versions import leaks
from curation.versions.grouping import Grouping
from curation.views.versions.pages import crumbs_to


@require_GET
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Show the copies and the near-duplicates that would cross splits, with both records."""
    version = job_or_404(request, Version, project_id, pk)
    plan = leaks.plan_of(version)  # made once, for it reads every record
    pairs = list(islice(leaks.of(version, border.whole(request.GET.get("after")) or 0, plan), leaks.PAGE + 1))
    copies, more = leaks.page_of_copies(version, request.GET.get("copies", "")[:64], plan=plan)
    address = reverse("curation:version_leaks", args=[project_id, pk])
    context = {
        "version": version,
        "pairs": pairs[: leaks.PAGE],
        "copies": [pair for _, pair in copies],
        "more_copies": f"{address}?copies={more}" if more else None,
        "left_out": duplicates.left_out(version.dataset),
        "texts": leaks.previews([*pairs[: leaks.PAGE], *(pair for _, pair in copies)]),
        "threshold": duplicates.threshold(version.dataset),
        "can_join": request.project.role.covers("editor")
        and leaks.was_refused(version)
        and not Grouping.of(version.grouping).keep_together,
        "can_allow": request.project.role.covers("editor") and version.status == Version.Status.FAILED,
        "next_url": f"{address}?after={pairs[leaks.PAGE - 1].pk}" if pairs[leaks.PAGE :] else None,
        "crumbs": crumbs_to(version),
    }
    return render(request, "curation/versions/leaks.html", context)


@require_POST
def together(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Freeze the version with each group of near-duplicates in one split."""
    version = job_or_404(request, Version, project_id, pk, needs="editor")
    if leaks.keep_together(version):
        queue.wake(version)
    else:
        messages.error(request, "The version was not refused for leaks, or keeps near-duplicates together already.")
    return redirect("curation:version", project_id, pk)


@require_POST
def allow(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Freeze the version anyway."""
    version = job_or_404(request, Version, project_id, pk, needs="editor")
    if leaks.allow(version):
        queue.wake(version)
    else:
        messages.error(request, "The version was not refused for leaks, so there is nothing to allow.")
    return redirect("curation:version", project_id, pk)
