"""Endpoints: making them, the client of each, and a call that shows whether one answers."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.storage import default_storage
from django.utils import timezone

from atelier.accounts.models import Project
from atelier.outbound import Gate, Refused
from atelier.secrets import SecretUnreadable
from curation.chat import Answer, ClientError, Delta, Sampling
from inference import deployments
from inference.clients import EndpointClient, open_client, with_retries
from inference.clients.recorded import read_answers
from inference.models import Endpoint

TEST_SECONDS = 20.0
# A model of our own on busy processors is slow, but it answers; giving up early would only ask it the same again.
SERVED_SECONDS = 900.0
MISTRAL_DEFAULT = "mistral-small-latest"
ANSWERS_MAX_BYTES = 200 * 2**20


@dataclass(frozen=True)
class Tried:
    """What came of a test call: the answer's first words, or the sentence that says what went wrong."""

    ok: bool
    text: str
    seconds: float = 0.0
    tokens: int = 0


def teachers(project: Project) -> Any:
    """What may write answers here: not archived; those marked as teachers first."""
    return (
        project.endpoints.filter(archived_at=None)
        .select_related("deployment", "adapter")
        .order_by("-is_teacher", "name")
    )


def client_for(endpoint: Endpoint, timeout: float = 120.0) -> EndpointClient:
    """The client of an endpoint, for one event loop. Raises ValidationError with a sentence when it cannot be asked."""
    if endpoint.archived_at:
        raise ValidationError(
            f"{endpoint.name} is archived: take it back under Settings, Endpoints, or choose another."
        )
    try:
        if endpoint.kind == Endpoint.Kind.SERVED:
            return _served(endpoint, max(timeout, SERVED_SECONDS))
        if endpoint.kind == Endpoint.Kind.RECORDED:
            return open_client("recorded", answers_path=_answers_path(endpoint))
        return open_client(
            endpoint.kind,
            url=endpoint.url,
            model=endpoint.model,
            key=endpoint.key,
            timeout=timeout,
            private_hosts=settings.PRIVATE_HOSTS_ALLOWED,
        )
    except (SecretUnreadable, ValueError) as error:
        raise ValidationError(f"{endpoint.name} cannot be asked: {error}") from error


def _served(endpoint: Endpoint, timeout: float) -> EndpointClient:
    deployment = endpoint.deployment
    if deployment is None or not deployment.is_answering:
        state = deployments.live(deployment).label.lower() if deployment else "taken down"
        raise ValidationError(
            f"{endpoint.name} is not served now (it is {state}): deploy it under Models, then try again."
        )
    if not endpoint.is_ready:
        raise ValidationError(f"The adapter of {endpoint.name} is not loaded yet: wait a moment, or look under Models.")
    model = endpoint.adapter.served_name if endpoint.adapter else deployment.base
    # The address was written by our own server process, so it may be private.
    return open_client(
        "openai",
        url=f"{deployment.url.rstrip('/').removesuffix('/v1')}/v1",
        model=model,
        timeout=timeout,
        private_hosts=["*"],
    )


def _answers_path(endpoint: Endpoint) -> Path:
    """Recorded answers as a local file, whatever the storage."""
    if not endpoint.answers or not default_storage.exists(endpoint.answers):
        raise ValidationError(f"The recorded answers of {endpoint.name} are missing: upload the file again.")
    try:
        return Path(default_storage.path(endpoint.answers))
    except NotImplementedError:  # a storage elsewhere
        folder = Path(tempfile.gettempdir()) / "atelier-answers"
        folder.mkdir(mode=0o700, exist_ok=True)
        copy = folder / f"{endpoint.pk}.jsonl"
        with default_storage.open(endpoint.answers) as source:
            copy.write_bytes(source.read())
        return copy


def check_url(url: str) -> str:
    """The address without a slash at its end. Raises ValidationError when it may not be called from here."""
    try:
        Gate(settings.PRIVATE_HOSTS_ALLOWED).check_url(url)
    except Refused as error:
        raise ValidationError(str(error)) from error
    return url.rstrip("/")


def record_answers(endpoint: Endpoint, file: File) -> int:
    """Keep the JSONL of answers that an endpoint replays; returns how many. Raises ValidationError naming a bad line."""
    if file.size > ANSWERS_MAX_BYTES:
        raise ValidationError(f"Recorded answers may have {ANSWERS_MAX_BYTES // 2**20} MB at most.")
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as copy:
        for chunk in file.chunks():
            copy.write(chunk)
        copy.flush()
        try:
            count = len(read_answers(Path(copy.name)))
        except ValueError as error:
            sentence = str(error).replace(Path(copy.name).name, "The file")
            raise ValidationError(sentence) from error
        if not count:
            raise ValidationError('The file holds no answers: each line is {"id", "prompt", "answer"}.')
        copy.seek(0)
        endpoint.answers = default_storage.save("answers/recorded.jsonl", File(copy))
    return count


def make_recorded(project: Project, name: str, path: Path) -> Endpoint:
    """The recorded teacher of that name, made from a file of answers unless it is there already."""
    endpoint, made = Endpoint.objects.get_or_create(
        project=project, name=name, defaults={"kind": Endpoint.Kind.RECORDED, "is_teacher": True}
    )
    if made or not endpoint.answers:
        with path.open("rb") as file:
            record_answers(endpoint, File(file))
        endpoint.save()
    return endpoint


def environment_names_teacher() -> bool:
    """True when the installation's environment names a live teacher."""
    env = os.environ
    return bool(env.get("ATELIER_TEACHER_URL") and env.get("ATELIER_TEACHER_MODEL")) or bool(env.get("MISTRAL_API_KEY"))


def from_environment(project: Project) -> Endpoint | None:
    """The live teacher that the environment names, made or brought up to date; None when it names none.

    `ATELIER_TEACHER_URL` with `ATELIER_TEACHER_MODEL` (and `ATELIER_TEACHER_KEY`) is anything OpenAI-compatible;
    `MISTRAL_API_KEY` is Mistral's API, its model `ATELIER_TEACHER_MODEL` or the small one.
    """
    if not environment_names_teacher():
        return None
    url, model = os.environ.get("ATELIER_TEACHER_URL", ""), os.environ.get("ATELIER_TEACHER_MODEL", "")
    if url:
        kind, key, url = Endpoint.Kind.OPENAI, os.environ.get("ATELIER_TEACHER_KEY", ""), check_url(url)
    else:
        kind, key, model = Endpoint.Kind.MISTRAL, os.environ["MISTRAL_API_KEY"], model or MISTRAL_DEFAULT
    endpoint = Endpoint.objects.filter(project=project, name=model).first() or Endpoint(project=project, name=model)
    endpoint.kind, endpoint.url, endpoint.model, endpoint.is_teacher = kind, url, model, True
    endpoint.archived_at = None
    endpoint.set_key(key)
    endpoint.save()
    return endpoint


def cost(endpoint: Endpoint | None, prompt_tokens: int, completion_tokens: int) -> Decimal:
    """What so many tokens cost, in the currency of the endpoint's prices."""
    if endpoint is None:
        return Decimal(0)
    return (prompt_tokens * endpoint.price_in + completion_tokens * endpoint.price_out) / 1_000_000


def archive(endpoint: Endpoint) -> None:
    """Take it out of every choice; what was made with it keeps its name."""
    endpoint.archived_at = timezone.now()
    endpoint.save(update_fields=["archived_at"])


def restore(endpoint: Endpoint) -> None:
    endpoint.archived_at = None
    endpoint.save(update_fields=["archived_at"])


def try_out(endpoint: Endpoint, seconds: float = TEST_SECONDS) -> Tried:
    """One tiny call, at most `seconds` long. Not for use inside a running event loop."""
    try:
        if endpoint.kind == Endpoint.Kind.RECORDED:
            count = len(read_answers(_answers_path(endpoint)))
            return Tried(True, f"It replays {count} recorded answers, and no other prompt can be asked.")
        return asyncio.run(_try_out(client_for(endpoint, seconds), seconds))
    except ValidationError as error:
        return Tried(False, " ".join(error.messages))


async def _try_out(client: EndpointClient, seconds: float) -> Tried:
    asked = [{"role": "user", "content": "Reply with one word: ready"}]
    try:
        async with client, asyncio.timeout(seconds):
            answer = await client.complete(asked, Sampling(temperature=0.0, max_tokens=16))
    except ClientError as error:
        return Tried(False, str(error))
    except TimeoutError:
        return Tried(False, f"It did not answer within {seconds:.0f} seconds.")
    return Tried(
        True, answer.text.strip()[:200] or answer.reasoning.strip()[:200], answer.seconds, answer.completion_tokens
    )


class Patient:
    """A client that tries again what may succeed later: with jitter, and not before the server's Retry-After."""

    def __init__(self, client: EndpointClient, attempts: int = 5, budget: float = 120.0) -> None:
        self._client, self._attempts, self._budget = client, attempts, budget

    async def complete(self, messages: Sequence[dict[str, Any]], sampling: Sampling) -> Answer:
        """As the client's own; the error of the last attempt says how often it was tried."""
        return await with_retries(lambda: self._client.complete(messages, sampling), self._attempts, self._budget)

    def stream(self, messages: Sequence[dict[str, Any]], sampling: Sampling) -> AsyncIterator[Delta]:
        """Not repeated: half of the answer may have been read already."""
        return self._client.stream(messages, sampling)

    async def close(self) -> None:
        await self._client.close()
