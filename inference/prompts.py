"""System prompts of endpoints: an adapter is sent the one it was trained with, unless told otherwise."""

from collections.abc import Iterable

from atelier.accounts.models import Project
from inference.models import Endpoint


def trained_with(endpoint: Endpoint) -> str | None:
    """Return the system prompt that the endpoint's adapter was trained with, "" for none; None when it has no adapter."""
    return endpoint.adapter.system_prompt.strip() if endpoint.adapter else None


def suggested(project: Project, endpoints: Iterable[Endpoint]) -> str:
    """Return the system prompt to send to several endpoints: the newest adapter's, else the project's for the student."""
    tuned = sorted((e for e in endpoints if e.adapter_id), key=lambda endpoint: endpoint.adapter_id or 0)
    prompt = trained_with(tuned[-1]) if tuned else None
    return project.student_prompt if prompt is None else prompt


def differing(endpoints: Iterable[Endpoint], sent: str) -> list[Endpoint]:
    """Return the endpoints whose adapters were trained with another system prompt than the one sent."""
    return [endpoint for endpoint in endpoints if trained_with(endpoint) not in (None, sent.strip())]
