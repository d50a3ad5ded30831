"""Views of one answer in a comparison: its stream, stopping and regenerating it, and how it looks once it is written."""

from collections.abc import AsyncIterator

from django.core.exceptions import BadRequest, ValidationError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import Membership
from inference import endpoints
from inference.comparisons import streams, visibility, votes
from inference.comparisons import turns as comparisons
from inference.models import Reply, Turn


def _reply(request: HttpRequest, project_id: int, pk: int, reply_pk: int, needs: str = "viewer") -> Reply:
    found = child_or_404(project_or_404(request, project_id, needs=needs).comparisons, pk)
    rows = Reply.objects.filter(turn__comparison=found).select_related("turn__comparison", "side")
    return child_or_404(rows, reply_pk)


@require_GET
async def stream(request: HttpRequest, project_id: int, pk: int, reply_pk: int) -> HttpResponse:
    """Stream server-sent events of one answer, written now if it waits; see docs/interface.md."""
    reply = await streams.in_database(_reply, request, project_id, pk, reply_pk)
    user_id, team_id = request.user.pk, request.project.team_id
    is_hidden = await streams.in_database(votes.names_hidden, reply.turn, request.user)

    def allowed() -> bool:
        return Membership.objects.filter(user_id=user_id, user__is_active=True, team_id=team_id).exists()

    events: AsyncIterator[bytes] = streams.events(
        reply.pk,
        endpoints.client_for,
        last_id=request.headers.get("Last-Event-ID", ""),
        may_write=request.project.role.covers("annotator"),
        may_tell=not is_hidden,
        allowed=allowed,
    )
    answer = StreamingHttpResponse(streams.limited(user_id, events), content_type="text/event-stream")
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"
    return answer


@require_POST
def stop(request: HttpRequest, project_id: int, pk: int, reply_pk: int) -> HttpResponse:
    reply = _reply(request, project_id, pk, reply_pk, needs="annotator")
    streams.stop(reply)
    if request.headers.get("Sec-Fetch-Mode") == "navigate":
        return redirect("inference:comparison", project_id, pk)
    return HttpResponse(status=204)


@require_GET
def reply(request: HttpRequest, project_id: int, pk: int, reply_pk: int) -> HttpResponse:
    """Return what replaces the stream once it ended, with the turn's vote beside it."""
    found = _reply(request, project_id, pk, reply_pk)
    return _answer(request, found)


def _answer(request: HttpRequest, found: Reply) -> HttpResponse:
    turn = comparisons.with_replies(Turn.objects.filter(pk=found.turn_id)).get()
    is_last = not turn.comparison.turns.filter(index__gt=turn.index).exists()
    shown = visibility.show(turn, request.user, request.project.role, is_last)
    mine = next((one for one in shown.answers if one.reply.side_id == found.side_id), None)
    if mine is None or not request.htmx:
        url = reverse("inference:comparison", args=[request.project.pk, turn.comparison_id])
        return redirect(f"{url}#turn-{turn.pk}")
    context = {"comparison": turn.comparison, "shown": shown, "one": mine, "oob": True}
    return render(request, "inference/comparisons/reply_again.html", context)


@require_POST
async def regenerate(request: HttpRequest, project_id: int, pk: int, reply_pk: int) -> HttpResponse:
    """Regenerate the answer of one side. With scripts it streams; without, the page comes back when it is written."""
    again = await streams.in_database(_regenerate, request, project_id, pk, reply_pk)
    if not request.htmx:
        await streams.write_all([again.pk], endpoints.client_for)
    return await streams.in_database(_answer, request, again)


def _regenerate(request: HttpRequest, project_id: int, pk: int, reply_pk: int) -> Reply:
    try:
        return comparisons.regenerate(_reply(request, project_id, pk, reply_pk, needs="annotator"))
    except ValidationError as error:
        raise BadRequest(" ".join(error.messages)) from error
