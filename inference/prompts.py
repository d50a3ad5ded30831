"""System prompts of endpoints: an adapter is sent the one it was trained with, unless told otherwise."""

from collections.abc import Iterable

from atelier.accounts.models import Project
from inference.models import Endpoint
from training.bases import offers


def trained_with(endpoint: Endpoint) -> str | None:
    """Return the system prompt that the endpoint's adapter was trained with, "" for none; None when it has no adapter."""
    return endpoint.adapter.system_prompt.strip() if endpoint.adapter else None


def suggested(project: Project, endpoints: Iterable[Endpoint]) -> str:
    """Return the system prompt to send to several endpoints: the newest adapter's, else that of a base which thinks only
    under its own, else the project's for the student.
    """
    endpoints = list(endpoints)
    tuned = sorted((e for e in endpoints if e.adapter_id), key=lambda endpoint: endpoint.adapter_id or 0)
    if tuned:
        return trained_with(tuned[-1]) or ""
    return next(filter(None, map(own_of, endpoints)), project.student_prompt)


def own_of(endpoint: Endpoint) -> str:
    """Return the system prompt that came with the base of an endpoint that serves no adapter; mostly empty."""
    return offers.own_prompt(endpoint.deployment.base) if endpoint.deployment and not endpoint.adapter_id else ""


def differing(endpoints: Iterable[Endpoint], sent: str) -> list[Endpoint]:
    """Return the endpoints whose adapters were trained with another system prompt than the one sent."""
    return [endpoint for endpoint in endpoints if trained_with(endpoint) not in (None, sent.strip())]
