"""Model endpoints: creating them, the client of each, and a test call that shows whether one answers."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from atelier.accounts.models import Project, Upload
from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.characters import flaw_in
from atelier.files import quotas
from atelier.network import openings
from atelier.network.openings import Opening
from atelier.network.outbound import Gate, OutboundRefused
from atelier.processes import sandbox
from atelier.processes.sandbox import LimitExceeded, SandboxChild, TooMuchMemory, TooSlow
from atelier.secrets import SecretUnreadable
from curation.chat import Answer, ClientError, Delta, Sampling
from inference.clients import EndpointClient, RequestFields, open_client, pace, with_retries
from inference.clients.address import base_url, text_of
from inference.clients.pace import Pace
from inference.models import Endpoint
from inference.recorded_process import AnswersError, read_answers
from inference.serving import deployments
from training import catalogue
from training.bases import offers

PRIVATE_SETTING = "ATELIER_PRIVATE_HOSTS"
TEST_SECONDS = 20.0
# A model of our own on busy processors is slow, but it answers; giving up early would only ask it the same again.
SERVED_SECONDS = 900.0
OWN_FIELDS = {
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p", "seed",
    "random_seed", "n", "tools",
}  # fmt: skip
MORE_CHARS = 4000
LEARNED = 5  # fields of a request, by one test call
MISTRAL_DEFAULT = "mistral-small-latest"
ANSWERS_MAX_BYTES = 200 * 2**20
READING = sandbox.ChildLimits(seconds=10.0, wall=60.0, memory=512 << 20)


@dataclass(frozen=True)
class EndpointTest:
    """The outcome of a test call: the answer's first words, or the sentence that states what went wrong."""

    ok: bool
    text: str
    seconds: float = 0.0
    tokens: int = 0
    learned: str = ""  # what its own errors told about the fields of a request, as a sentence


def teachers(project: Project) -> Any:
    """Return the endpoints that may write answers: not archived; those marked as teachers first."""
    return (
        project.endpoints.filter(archived_at=None)
        .select_related("deployment", "adapter")
        .order_by("-is_teacher", "name")
    )


def client_for(endpoint: Endpoint, timeout: float = 120.0) -> EndpointClient:
    """Return the client of an endpoint, for one event loop. Raises ValidationError with a sentence when it cannot be called."""
    if endpoint.archived_at:
        raise ValidationError(f"{endpoint.name} is archived. Restore it under Settings, Endpoints, or choose another.")
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
            private_hosts=private_hosts(),
            setting=PRIVATE_SETTING,
            fields=_fields(endpoint),
        )
    except (SecretUnreadable, ValueError) as error:
        raise ValidationError(f"{endpoint.name} is unavailable: {error}") from error


def _served(endpoint: Endpoint, timeout: float) -> EndpointClient:
    deployment = endpoint.deployment
    if deployment is None or not deployment.is_answering:
        state = deployments.live(deployment).label.lower() if deployment else "not deployed"
        raise ValidationError(
            f"{endpoint.name} isn't being served (it is {state}). Deploy it under Models, then try again."
        )
    if not endpoint.is_ready:
        raise ValidationError(f"The adapter of {endpoint.name} isn't loaded yet. Wait a moment, or check Models.")
    model = endpoint.adapter.served_name if endpoint.adapter else deployment.base
    return open_client(
        "openai",
        url=deployment.url,
        model=model,
        key=deployment.key,
        timeout=timeout,
        # Written by our own server process, so exactly this may be private.
        private_hosts=_opened_by(deployment.url),
        shows_words=True,
        fields=replace(_fields(endpoint), own_prompt=_own_prompt(deployment.base)),
    )


def _own_prompt(slug: str) -> str:
    """Return the base's own system prompt where its rules have a form for the thoughts in it (from Mistral's v13 on)."""
    base = catalogue.load().get(slug)
    return offers.own_prompt(slug) if base and base.tokenizer == "mistral-v13" else ""


def _fields(endpoint: Endpoint) -> RequestFields:
    return RequestFields(endpoint.tokens_field, tuple(endpoint.left_out), endpoint.more_fields)


def check_more(more: Any) -> dict[str, Any]:
    """Return further fields of a request. Raises ValidationError for what isn't an object, or sets what Atelier sets itself."""
    if not more:
        return {}
    if not isinstance(more, dict):
        raise ValidationError('Enter a JSON object, such as {"reasoning_effort": "low"}.')
    if own := sorted(OWN_FIELDS & more.keys()):
        raise ValidationError(f"Atelier sets {', '.join(own)} itself. Remove it here.")
    if flaw_in(more) or len(json.dumps(more, ensure_ascii=False)) > MORE_CHARS:
        raise ValidationError(f"Further fields can have at most {MORE_CHARS} characters, without NUL.")
    return more


def private_hosts() -> tuple[Opening, ...]:
    """Return the private hosts that endpoints may use: the setting's, and that of the teacher which the environment names."""
    return settings.PRIVATE_HOSTS + _opened_by(os.environ.get("ATELIER_TEACHER_URL", ""))


def _opened_by(url: str) -> tuple[Opening, ...]:
    """Return host and port of a URL that nobody typed into a page; nothing for one that cannot be used anyway."""
    try:
        place = urlsplit(url)
        port = place.port or {"http": 80, "https": 443}.get(place.scheme)
        return openings.of(place.hostname, port) if place.hostname and port else ()
    except ValueError:
        return ()


def _answers_path(endpoint: Endpoint) -> Path:
    """Return recorded answers as a local file, whatever the storage."""
    if not endpoint.answers or not default_storage.exists(endpoint.answers):
        raise ValidationError(f"The recorded answers of {endpoint.name} are missing. Upload the file again.")
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
    """Return the URL as it is stored. Raises ValidationError when it may not be called from here."""
    try:
        return text_of(base_url(url, Gate(private_hosts(), setting=PRIVATE_SETTING)))
    except OutboundRefused as error:
        raise ValidationError(str(error)) from error


def problem(endpoint: Endpoint) -> str:
    """Return why an endpoint cannot be called as it is stored, perhaps by a rule newer than it; empty when nothing is known."""
    if endpoint.kind not in (Endpoint.Kind.OPENAI, Endpoint.Kind.MISTRAL) or not endpoint.url:
        return ""
    try:
        check_url(endpoint.url)
    except ValidationError as error:
        return " ".join(error.messages)
    return ""


def check_answers(project: Project, file: File) -> Upload:
    """Count a JSONL file of recorded answers as an upload, then check it. Not for use inside a transaction.

    Raises ValidationError that names a bad line, or states which quota it is too much for. The caller settles the
    upload.
    """
    if file.size > ANSWERS_MAX_BYTES:
        raise ValidationError(f"Recorded answers can have at most {ANSWERS_MAX_BYTES // 2**20} MB.")
    upload = quotas.count_upload(project, file.size)
    try:
        with tempfile.NamedTemporaryFile(suffix=".jsonl") as copy:
            for chunk in file.chunks():
                copy.write(chunk)
            copy.flush()
            if not _count_answers(Path(copy.name)):
                raise ValidationError(
                    'The file contains no answers. Each line must look like {"id", "prompt", "answer"}.'
                )
    except BaseException:
        upload.settle()
        raise
    return upload


@contextmanager
def storing(endpoint: Endpoint, file: File, upload: Upload) -> Iterator[None]:
    """Open a transaction in which the endpoint is saved with checked answers.

    Afterwards its former ones are deleted; if it isn't saved, the new ones are.
    """
    try:
        stored = endpoint.answers = default_storage.save("answers/recorded.jsonl", file)
        try:
            with transaction.atomic():
                there = Endpoint.objects.select_for_update().filter(pk=endpoint.pk)
                former = there.values_list("answers", flat=True).first()  # somebody may have replaced them since
                yield
        except BaseException:
            default_storage.delete(stored)
            raise
    finally:
        upload.settle()
    if former:
        default_storage.delete(former)


def record_answers(endpoint: Endpoint, file: File) -> None:
    """Save the endpoint with the answers of a JSONL file. Raises ValidationError naming a bad line."""
    with storing(endpoint, file, check_answers(endpoint.project, file)):
        endpoint.save()


def _count_answers(path: Path) -> int:
    """Count the answers in an uploaded file, by a child process with limits. Raises ValidationError."""
    try:
        with SandboxChild("inference.recorded_process", b"", READING) as child:
            return int(child.ask(os.fsencode(path)))
    except sandbox.WorkRefused as error:
        raise ValidationError(str(error).replace(path.name, "The file")) from error
    except (TooSlow, TooMuchMemory) as error:
        raise ValidationError(f"The file cannot be used. {error} Upload fewer or shorter answers.") from error
    except LimitExceeded as error:
        raise ValidationError(str(error)) from error


def make_recorded(project: Project, name: str, path: Path) -> Endpoint:
    """Return the recorded teacher of that name, created from a file of answers unless it already exists."""
    endpoint, made = Endpoint.objects.get_or_create(
        project=project, name=name, defaults={"kind": Endpoint.Kind.RECORDED, "is_teacher": True}
    )
    if made or not endpoint.answers:
        with path.open("rb") as file:
            record_answers(endpoint, File(file))
    return endpoint


def environment_names_teacher() -> bool:
    """Return whether the installation's environment names a live teacher."""
    env = os.environ
    return bool(env.get("ATELIER_TEACHER_URL") and env.get("ATELIER_TEACHER_MODEL")) or bool(env.get("MISTRAL_API_KEY"))


def from_environment(project: Project, asker: trail.Asker | None = None) -> Endpoint | None:
    """The live teacher that the environment names, made or brought up to date; None when it names none.

    `ATELIER_TEACHER_URL` with `ATELIER_TEACHER_MODEL` (and `ATELIER_TEACHER_KEY`) is anything OpenAI-compatible;
    `MISTRAL_API_KEY` is Mistral's API, its model `ATELIER_TEACHER_MODEL` or the small one. The trail notes it for whoever asks.
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
    with transaction.atomic():
        endpoint.save()
        if asker is not None:
            note(asker, AuditAction.ENDPOINT_CREATED, endpoint, source="the installation's environment")
    return endpoint


def cost(endpoint: Endpoint | None, prompt_tokens: int, completion_tokens: int) -> Decimal:
    """Return the cost of so many tokens, in the currency of the endpoint's prices."""
    if endpoint is None:
        return Decimal(0)
    return (prompt_tokens * endpoint.price_in + completion_tokens * endpoint.price_out) / 1_000_000


def archive(endpoint: Endpoint, asker: trail.Asker) -> None:
    """Remove an endpoint from every choice and note that; what was made with it keeps its name."""
    _set_archived(endpoint, timezone.now(), asker, AuditAction.ENDPOINT_ARCHIVED)


def restore(endpoint: Endpoint, asker: trail.Asker) -> None:
    """Let an archived endpoint be chosen again, and note that."""
    _set_archived(endpoint, None, asker, AuditAction.ENDPOINT_RESTORED)


def _set_archived(endpoint: Endpoint, at: datetime | None, asker: trail.Asker, action: AuditAction) -> None:
    endpoint.archived_at = at
    with transaction.atomic():
        endpoint.save(update_fields=["archived_at"])
        note(asker, action, endpoint)


def note(asker: trail.Asker, action: AuditAction, endpoint: Endpoint, **detail: Any) -> None:
    """Note an action with the endpoint's host, for that is where data goes; never with its key."""
    host = trail.host_of(endpoint.url)
    trail.note(asker, action, endpoint, project=endpoint.project, name=endpoint.name, host=host, **detail)


def try_out(endpoint: Endpoint, seconds: float = TEST_SECONDS, asker: trail.Asker | None = None) -> EndpointTest:
    """Test an endpoint by one tiny call, at most `seconds` long. Not for use inside a running event loop.

    A field of the request that the server says it doesn't take is left out or renamed, and that is stored once it answers.
    """
    try:
        if endpoint.kind == Endpoint.Kind.RECORDED:
            count = len(read_answers(_answers_path(endpoint)))
            return EndpointTest(True, f"This endpoint replays {count} recorded answers; other prompts return an error.")
        return _try_out_learning(endpoint, seconds, asker)
    except ValidationError as error:
        return EndpointTest(False, " ".join(error.messages))
    except AnswersError as error:  # kept since before a rule
        return EndpointTest(False, str(error))


def _try_out_learning(endpoint: Endpoint, seconds: float, asker: trail.Asker | None) -> EndpointTest:
    before = _fields(endpoint)
    for _ in range(LEARNED):
        tried, refused = asyncio.run(_try_out(client_for(endpoint, seconds), seconds))
        fields = _fields(endpoint)
        better = fields.without(refused)
        if not refused or better == fields:
            break
        endpoint.tokens_field, endpoint.left_out = better.tokens, list(better.left_out)
    learned = _learned(before, _fields(endpoint))
    if not learned or not tried.ok:
        return tried
    with transaction.atomic():
        endpoint.save(update_fields=["tokens_field", "left_out"])
        if asker is not None:
            note(asker, AuditAction.ENDPOINT_CHANGED, endpoint, changed=["tokens_field", "left_out"])
    return replace(tried, learned=learned)


def _learned(before: RequestFields, after: RequestFields) -> str:
    """Return what changed in the fields of a request, as a sentence; empty for nothing."""
    parts = [f"the limit is sent as {after.tokens}"] if after.tokens != before.tokens else []
    if more := [name for name in after.left_out if name not in before.left_out]:
        parts.append(f"{', '.join(more)} {'is' if len(more) == 1 else 'are'} left out")
    return f"Learned from its errors, and stored: {' and '.join(parts)}." if parts else ""


async def _try_out(client: EndpointClient, seconds: float) -> tuple[EndpointTest, str]:
    """Return the outcome of one call, and the field that the server says it doesn't take, if any."""
    asked = [{"role": "user", "content": "Reply with one word: ready"}]
    try:
        async with client, asyncio.timeout(seconds):
            answer = await client.complete(asked, Sampling(temperature=0.0, max_tokens=16, seed=1))
    except ClientError as error:
        return EndpointTest(False, str(error)), error.refused_field
    except TimeoutError:
        return EndpointTest(False, f"The endpoint did not answer within {seconds:.0f} seconds."), ""
    text = answer.text.strip()[:200] or answer.reasoning.strip()[:200]
    return EndpointTest(True, text, answer.seconds, answer.completion_tokens), ""


class RetryingClient:
    """A client that retries what may succeed later: with jitter, not before the server's Retry-After, at one pace for all.

    With an endpoint, all jobs of this process that call it share that pace.
    """

    def __init__(
        self, client: EndpointClient, attempts: int = 5, budget: float = 120.0, *, endpoint: Endpoint | None = None
    ) -> None:
        self._client, self._attempts, self._budget = client, attempts, budget
        self._pace = Pace(pace.shared((endpoint.pk, endpoint.url, endpoint.model)) if endpoint else None)

    async def complete(
        self, messages: Sequence[dict[str, Any]], sampling: Sampling, tools: Sequence[Any] = ()
    ) -> Answer:
        """Return the client's answer; the error of the last attempt states the number of attempts."""
        return await with_retries(
            lambda: self._client.complete(messages, sampling, tools), self._attempts, self._budget, pace=self._pace
        )

    def stream(
        self, messages: Sequence[dict[str, Any]], sampling: Sampling, tools: Sequence[Any] = ()
    ) -> AsyncIterator[Delta]:
        """Yield the client's answer without retries: half of it may have been read already."""
        return self._client.stream(messages, sampling, tools)

    async def close(self) -> None:
        await self._client.close()
