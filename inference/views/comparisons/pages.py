"""Pages of comparisons: the list, a new one, and the conversation side by side."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import Project
from atelier.audit import trail
from atelier.web import border
from atelier.web.methods import require_GET_POST
from curation.diffs import word_diff
from inference import endpoints, prompts, sampling
from inference.comparisons import records, streams, visibility, votes
from inference.comparisons import turns as comparisons
from inference.forms.comparisons import ComparisonForm, SaveAnswerForm
from inference.models import Comparison, Reply, Turn, Vote

PAGE = 30
TURNS_SHOWN = 40


@require_GET
def comparison_list(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id)
    rows = project.comparisons.select_related("created_by").prefetch_related("sides__endpoint", "turns").order_by("-pk")
    before = border.whole(request.GET.get("before"))
    comparison_rows = list((rows.filter(pk__lt=before) if before else rows)[: PAGE + 1])
    standings = votes.tallies(comparison_rows[:PAGE])
    context = {
        "rows": [{"comparison": row, "standings": standings[row.pk]} for row in comparison_rows[:PAGE]],
        "next_url": f"?before={comparison_rows[PAGE - 1].pk}" if len(comparison_rows) > PAGE else None,
        "can_create": project.role.covers("editor"),
        "choices": comparisons.choices(project) if not comparison_rows else [],
    }
    return render(request, "inference/comparisons/index.html" + ("#rows" if request.htmx else ""), context)


@require_GET_POST
def new_comparison(request: HttpRequest, project_id: int) -> HttpResponse:
    """Create a comparison; `?endpoints=1,2` ticks those, `?like=5` starts from the settings of another comparison."""
    project = project_or_404(request, project_id, needs="editor")
    form = ComparisonForm(request.POST or None, project=project, initial=_suggestion(request, project))
    status = 200
    if request.method == "POST":
        try:
            if form.is_valid():
                return redirect("inference:comparison", project.pk, _create(request, project, form).pk)
        except ValidationError as error:
            form.add_error(None, error)
        status = 422
    return render(request, "inference/comparisons/new.html", {"form": form}, status=status)


def _create(request: HttpRequest, project: Project, form: ComparisonForm) -> Comparison:
    data = form.cleaned_data
    return comparisons.create(
        project,
        request.user,
        data["endpoints"],
        name=data["name"],
        system_prompt=data["system_prompt"],
        sampling=form.sampling(),
        blind=data["blind"],
        tools=data["tools"],
    )


def _suggestion(request: HttpRequest, project: Project) -> dict[str, Any]:
    like = border.whole(request.GET.get("like"))
    other = project.comparisons.filter(pk=like).first() if like else None
    if other is not None:
        ticked = [side.endpoint_id for side in other.sides.all()]
        return {"endpoints": ticked, "system_prompt": other.system_prompt, "blind": other.blind, **other.sampling} | (
            {"tools": other.tools} if other.tools else {}
        )
    wanted = border.wholes(request.GET.get("endpoints", ""))
    ticked = wanted or [endpoint.pk for endpoint in comparisons.suggested(comparisons.choices(project))]
    chosen = [endpoint for endpoint in comparisons.choices(project) if endpoint.pk in ticked]
    return {
        "endpoints": ticked,
        "system_prompt": prompts.suggested(project, chosen),
        "seed": 17,
        **sampling.suggested(chosen, {"temperature": 0.3, "top_p": 1.0, "max_tokens": 300}),
    }


@require_GET
def comparison(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    project = project_or_404(request, project_id)
    comparison = child_or_404(project.comparisons, pk)
    return render(request, "inference/comparisons/comparison.html", _page(request, comparison))


def _page(request: HttpRequest, comparison: Comparison) -> dict[str, Any]:
    role, everything = request.project.role, "all" in request.GET
    rows = comparisons.with_replies(comparison.turns.order_by("-index"))
    turns = list(rows if everything else rows[:TURNS_SHOWN])[::-1]
    last = turns[-1].index if turns else 0
    sides = [s.endpoint for s in comparison.sides.select_related("endpoint__deployment", "endpoint__adapter")]
    return {
        "comparison": comparison,
        **_tally(comparison),
        "can_say": role.covers("annotator"),
        "shown": [visibility.show(turn, request.user, role, turn.index == last) for turn in turns],
        "earlier": 0 if everything else last - len(turns),
        "index": last + 1,
        "presets": comparisons.presets(comparison) if not turns else [],
        "can_edit": role.covers("editor"),
        "next_preset": next(iter(comparisons.presets(comparison, 1)), None) if turns else None,
        "not_ready": [(endpoint, why) for endpoint in sides if (why := comparisons.why_not_ready(endpoint))],
        "other_prompts": prompts.differing(sides, comparison.system_prompt),
    }


def _tally(comparison: Comparison) -> dict[str, Any]:
    standings = votes.tally(comparison)
    return {"standings": standings, "lead": votes.lead(standings)}


@require_POST
async def say(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Add a turn. With scripts its answers stream; without, the page comes back when all are written."""
    turn, refused = await streams.in_database(_say, request, project_id, pk)
    if refused is not None:
        return refused
    if request.htmx:
        return await streams.in_database(_turn_added, request, turn)
    await streams.write_all(
        [reply.pk for reply in await streams.in_database(comparisons.latest, turn)], endpoints.client_for
    )
    return redirect(reverse("inference:comparison", args=[project_id, pk]) + f"#turn-{turn.pk}")


def _say(request: HttpRequest, project_id: int, pk: int) -> tuple[Turn | None, HttpResponse | None]:
    project = project_or_404(request, project_id, needs="annotator")
    comparison = child_or_404(project.comparisons, pk)
    preset, index = (border.whole(request.POST.get(name)) for name in ("preset", "index"))
    source = comparisons.preset_record(project, preset) if preset else None
    prompt = comparisons.prompt_of(source) if source else request.POST.get("prompt", "")
    try:
        turn = comparisons.say(comparison, request.user, prompt, index=index, source=source)
    except ValidationError as error:
        context = _page(request, comparison) | {"error": " ".join(error.messages), "prompt": prompt}
        answer = render(
            request,
            "inference/comparisons/composer.html" if request.htmx else "inference/comparisons/comparison.html",
            context,
            status=422,
        )
        answer["HX-Retarget"], answer["HX-Reswap"] = "#composer", "outerHTML"
        return None, answer
    return comparisons.with_replies(Turn.objects.filter(pk=turn.pk)).get(), None


def _turn_added(request: HttpRequest, turn: Turn) -> HttpResponse:
    """Return the new turn, a fresh composer, and the turn before without the actions of the last one."""
    context = {
        "comparison": turn.comparison,
        "shown": visibility.show(turn, request.user, request.project.role, True),
        "index": turn.index + 1,
        "can_say": True,
        "next_preset": next(iter(comparisons.presets(turn.comparison, 1)), None),
    }
    before = comparisons.with_replies(turn.comparison.turns.filter(index=turn.index - 1)).first()
    if before is not None:
        context["before"] = visibility.show(before, request.user, request.project.role, False)
    return render(request, "inference/comparisons/added.html", context)


def _turn(request: HttpRequest, project_id: int, pk: int, turn_pk: int, needs: str) -> Turn:
    comparison = child_or_404(project_or_404(request, project_id, needs=needs).comparisons, pk)
    return child_or_404(comparisons.with_replies(comparison.turns), turn_pk)


def _turn_again(request: HttpRequest, turn: Turn) -> HttpResponse:
    """Return the turn as it is now: a part of the page for htmx, else the page at that place."""
    if not request.htmx:
        url = reverse("inference:comparison", args=[request.project.pk, turn.comparison_id])
        return redirect(f"{url}#turn-{turn.pk}")
    turn = comparisons.with_replies(Turn.objects.filter(pk=turn.pk)).get()
    is_last = not turn.comparison.turns.filter(index__gt=turn.index).exists()
    context = {
        "comparison": turn.comparison,
        "shown": visibility.show(turn, request.user, request.project.role, is_last),
        **_tally(turn.comparison),
        "oob": True,
    }
    return render(request, "inference/comparisons/again.html", context)


@require_POST
def vote(request: HttpRequest, project_id: int, pk: int, turn_pk: int) -> HttpResponse:
    """Cast or withdraw a vote: `vote` is a reply's id, "tie", "bad", or "none" to withdraw it."""
    turn = _turn(request, project_id, pk, turn_pk, needs="annotator")
    value = request.POST.get("vote", "")
    try:
        if value == "none":
            votes.withdraw(turn, request.user)
        elif (reply := border.whole(value)) is not None:
            votes.cast(turn, request.user, Vote.Verdict.SIDE, child_or_404(turn.replies, reply))
        else:
            votes.cast(turn, request.user, value)
    except ValidationError as error:
        raise BadRequest(" ".join(error.messages)) from error
    return _turn_again(request, turn)


@require_POST
def keep_preference(request: HttpRequest, project_id: int, pk: int, turn_pk: int) -> HttpResponse:
    """Save the person's vote as a preference record."""
    turn = _turn(request, project_id, pk, turn_pk, needs="editor")
    try:
        record = records.keep_vote(turn, request.user, cut="cut" in request.POST)
    except ValidationError as error:
        raise BadRequest(" ".join(error.messages)) from error
    left_out = record.metadata.get("left_out", 0)
    saved = f"Saved as a preference in {record.dataset.name}."
    if left_out:
        saved += f" Left out: {left_out} of the other answers, which belong to another conversation."
    messages.success(request, saved)
    return _turn_again(request, turn)


@require_GET
def turn_diff(request: HttpRequest, project_id: int, pk: int, turn_pk: int) -> HttpResponse:
    """Show two answers of a turn, `?a=…&b=…`, word by word."""
    turn = _turn(request, project_id, pk, turn_pk, needs="viewer")
    shown = visibility.show(turn, request.user, request.project.role, False)
    picked = [one for name in ("a", "b") for one in shown.answers if str(one.reply.pk) == request.GET.get(name, "")]
    if len(picked) != 2:
        raise BadRequest("Choose two answers of this turn to compare.")
    context = {
        "comparison": turn.comparison,
        "shown": shown,
        "a": picked[0],
        "b": picked[1],
        "diff": word_diff(picked[0].reply.text, picked[1].reply.text),
    }
    return render(request, "inference/comparisons/diff.html" + ("#diff" if request.htmx else ""), context)


@require_GET_POST
def save_answer(request: HttpRequest, project_id: int, pk: int, reply_pk: int) -> HttpResponse:
    """Save an answer, edited if need be, as a conversation."""
    project = project_or_404(request, project_id, needs="editor")
    comparison = child_or_404(project.comparisons, pk)
    reply = child_or_404(Reply.objects.filter(turn__comparison=comparison), reply_pk)
    try:
        records.refuse_hidden(reply, request.user)
    except ValidationError as error:
        raise BadRequest(" ".join(error.messages)) from error
    form = SaveAnswerForm(request.POST or None, project=project, reply=reply, initial={"text": reply.text})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            record = records.keep_answer(
                reply,
                request.user,
                data["text"],
                data["dataset"],
                data["new_name"],
                cut=data.get("cut", False),
                thoughts=data.get("thoughts", False),
            )
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, f"Saved in {record.dataset.name}; review it there.")
            return redirect(reverse("inference:comparison", args=[project.pk, pk]) + f"#turn-{reply.turn_id}")
    status = 422 if request.method == "POST" else 200
    return render(
        request,
        "inference/comparisons/save.html",
        {"form": form, "reply": reply, "comparison": comparison},
        status=status,
    )


@require_GET_POST
def delete_comparison(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="editor")
    comparison = child_or_404(project.comparisons, pk)
    if request.method == "POST":
        trail.note_deletion(request, comparison, project, comparison.delete)
        messages.success(request, f"{comparison.name} was deleted. Records saved from it stay.")
        return redirect("inference:comparisons", project.pk)
    url = reverse("inference:comparison", args=[project.pk, pk])
    context = {
        "title": "Delete this comparison?",
        "action": request.path,
        "submit": "Delete",
        "danger": True,
        "cancel_url": url,
        "text": f"{comparison.name}, its turns and its votes will be deleted. Records saved from it stay.",
    }
    return render(request, "partials/confirm_page.html", context)
