"""What can go wrong, each with the server's own sentence."""

from typing import Any


class AtelierError(Exception):
    """The base of all. `status` is the HTTP status, 0 when no answer came."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


class NotSignedIn(AtelierError):
    """The API key is missing, wrong or revoked (401)."""


class Forbidden(AtelierError):
    """Your role is too small (403)."""


class NotFound(AtelierError):
    """It is not there, or not yours (404)."""


class Conflict(AtelierError):
    """Somebody changed it since (409). `current` is how it stands now."""

    current: Any = None


class Refused(AtelierError):
    """The request makes no sense to the server (400, 413, 422)."""


class Unavailable(AtelierError):
    """The server cannot be reached, or answered 5xx or 429 to every try."""


class Broken(AtelierError):
    """What was downloaded is not what was frozen: its hash does not match."""


class JobFailed(AtelierError):
    """A job ended as failed or cancelled; the sentence is the job's."""


BY_STATUS: dict[int, type[AtelierError]] = {401: NotSignedIn, 403: Forbidden, 404: NotFound, 409: Conflict}


def of(status: int, answer: Any) -> AtelierError:
    """The error of an answer; `answer` is its JSON, or its text."""
    sentence = answer.get("detail") if isinstance(answer, dict) else None
    kind = BY_STATUS.get(status, Refused if status < 500 and status != 429 else Unavailable)
    error = kind(str(sentence or answer or f"The server answered {status}.")[:2000], status)
    if isinstance(error, Conflict):
        error.current = answer
    return error
