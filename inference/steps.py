"""What inference shows in the rail and on the project's home."""

from django.urls import reverse

from atelier import loop
from atelier.accounts.models import Project
from inference import comparison, deployments, evaluation
from inference.models import Comparison, Evaluation, Vote
from training.models import Adapter


def models(project: Project) -> loop.State:
    """What is served, and which adapter waits to be."""
    lives = [live for live in deployments.live_in(project) if live.deployment.wanted == "up"]
    count = project.adapters.count()
    url = reverse("inference:models", args=[project.pk])
    if failed := [live for live in lives if live.state == "failed"]:
        return loop.State(count, f"{failed[0].title} could not be served.", "See why", url)
    served = {endpoint.adapter_id for live in lives for endpoint in live.endpoints}
    newest = project.adapters.order_by("-pk").first()
    if newest is not None and newest.pk not in served:
        return loop.State(count, f"{newest.name} is not deployed.", "Deploy it", url)
    ready = sum(live.state == "ready" for live in lives)
    if lives:
        return loop.State(
            count, "Ready to be asked." if ready == len(lives) else f"{lives[0].title}: {lives[0].label}."
        )
    return loop.State(count, "A run leaves an adapter, and the server lets it answer.")


def compare(project: Project) -> loop.State:
    """Where a project stands with comparisons."""
    count = project.comparisons.count()
    new = reverse("inference:new_comparison", args=[project.pk])
    if count:
        votes = Vote.objects.filter(turn__comparison__project=project).count()
        line = f"{votes} vote{'' if votes == 1 else 's'} on which answer is better."
        return loop.State(count, line)
    if len(comparison.suggested(comparison.choices(project))) < 2:
        return loop.State(0, "Base and tuned side by side, once both are served.")
    return loop.State(0, "Base and tuned are ready to be asked.", "Compare them", new)


def evaluate(project: Project) -> loop.State:
    """Where a project stands with evaluations."""
    last = project.evaluations.filter(status=Evaluation.Status.DONE).order_by("-pk").first()
    count = project.evaluations.count()
    new = reverse("inference:new_evaluation", args=[project.pk])
    if last is not None:
        every = [(last.scores["endpoints"].get(str(one["id"])) or {}).get("every") for one in last.entrants]
        shares = [f"{100 * share['value']:.0f}%" for share in every if share]
        line = f"{' against '.join(shares)} keep every rule." if shares else f"The last one: {last.name}."
        return loop.State(count, line)
    if count:
        return loop.State(count, "The first one is not done yet.")
    if not evaluation.versions_of(project).exists() or not comparison.suggested(comparison.choices(project)):
        return loop.State(0, "The test split scores what was learned, once models are served.")
    return loop.State(0, "Models and a test split are ready.", "Evaluate", new)


def register() -> None:
    loop.register(
        loop.Step(60, "models", "Models", "inference:models", loop.Rows(Adapter), models),
        loop.Step(70, "compare", "Compare", "inference:comparisons", loop.Rows(Comparison), compare),
        loop.Step(80, "evaluate", "Evaluate", "inference:evaluations", loop.Rows(Evaluation), evaluate),
        jobs=[Evaluation],
    )
