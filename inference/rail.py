"""The inference side's part of the rail and of the project's home."""

from django.urls import reverse

from atelier import registry
from atelier.accounts.models import Project
from inference.comparisons import turns
from inference.evaluations import ledger
from inference.models import Comparison, Evaluation, Vote
from inference.serving import deployments
from training.models import Adapter


def models(project: Project) -> registry.StepState:
    """Return the state of the Models step: what is served, and which adapter is not deployed yet."""
    lives = [live for live in deployments.live_in(project) if live.deployment.wanted == "up"]
    count = project.adapters.filter(archived_at=None).count()
    url = reverse("inference:models", args=[project.pk])
    if failed := [live for live in lives if live.state == "failed"]:
        return registry.StepState(count, f"{failed[0].title} could not be served.", "See why", url)
    served = {endpoint.adapter_id for live in lives for endpoint in live.endpoints}
    newest = project.adapters.filter(archived_at=None).order_by("-pk").first()
    if newest is not None and newest.pk not in served:
        return registry.StepState(count, f"{newest.name} is not deployed.", "Deploy", url)
    ready = sum(live.state == "ready" for live in lives)
    if lives:
        return registry.StepState(
            count, "Ready to chat." if ready == len(lives) else f"{lives[0].title}: {lives[0].label}."
        )
    return registry.StepState(count, "A run creates an adapter; serve it here to chat with it.")


def compare(project: Project) -> registry.StepState:
    """Return the state of the project's comparisons."""
    count = project.comparisons.count()
    new = reverse("inference:new_comparison", args=[project.pk])
    if count:
        votes = Vote.objects.filter(turn__comparison__project=project).count()
        line = f"{votes} vote{'' if votes == 1 else 's'} on which answer is better."
        return registry.StepState(count, line)
    if len(turns.suggested(turns.choices(project))) < 2:
        return registry.StepState(0, "Base and tuned side by side once both are served.")
    return registry.StepState(0, "Base and tuned are ready.", "Compare", new)


def evaluate(project: Project) -> registry.StepState:
    """Return the state of the project's evaluations."""
    last = project.evaluations.filter(status=Evaluation.Status.DONE).order_by("-pk").first()
    count = project.evaluations.count()
    new = reverse("inference:new_evaluation", args=[project.pk])
    if last is not None:
        every = [(last.scores["endpoints"].get(str(one["id"])) or {}).get("every") for one in last.entrants]
        shares = [f"{100 * share['value']:.0f}%" for share in every if share]
        line = f"{' against '.join(shares)} follow every rule." if shares else f"Latest: {last.name}."
        return registry.StepState(count, line)
    if count:
        return registry.StepState(count, "The first evaluation isn't done yet.")
    if not ledger.versions_of(project).exists() or not turns.suggested(turns.choices(project)):
        return registry.StepState(0, "Score models on the test split once they are served.")
    return registry.StepState(0, "Models and a test split are ready.", "Evaluate", new)


def register() -> None:
    registry.register(
        registry.Step(60, "models", "Models", "inference:models", registry.ProjectRows(Adapter), models),
        registry.Step(70, "compare", "Compare", "inference:comparisons", registry.ProjectRows(Comparison), compare),
        registry.Step(80, "evaluate", "Evaluate", "inference:evaluations", registry.ProjectRows(Evaluation), evaluate),
        jobs=[Evaluation],
    )
