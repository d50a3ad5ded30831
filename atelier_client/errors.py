"""The errors of the client, each with the server's own sentence."""

from typing import Any


class AtelierError(Exception):
    """The base of all errors. `status` is the HTTP status, 0 when no response came."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


class NotSignedIn(AtelierError):
    """The API key is missing, wrong or revoked (401)."""


class Forbidden(AtelierError):
    """Your role is too low (403)."""


class NotFound(AtelierError):
    """The object does not exist, or is not yours (404)."""


class Conflict(AtelierError):
    """Somebody has changed the object since (409). `current` is its current state."""

    current: Any = None


class Refused(AtelierError):
    """The server rejects the request as invalid (400, 413, 422)."""


class Unavailable(AtelierError):
    """The server cannot be reached, or answered 5xx or 429 to every try."""


class Broken(AtelierError):
    """A downloaded file is not what was frozen: its hash does not match."""


class JobFailed(AtelierError):
    """A job that ended as failed or cancelled; the sentence is the job's."""


BY_STATUS: dict[int, type[AtelierError]] = {401: NotSignedIn, 403: Forbidden, 404: NotFound, 409: Conflict}


def of(status: int, answer: Any) -> AtelierError:
    """Return the error for a response; `answer` is its JSON, or its text."""
    sentence = answer.get("detail") if isinstance(answer, dict) else None
    kind = BY_STATUS.get(status, Refused if status < 500 and status != 429 else Unavailable)
    error = kind(str(sentence or answer or f"The server answered {status}.")[:2000], status)
    if isinstance(error, Conflict):
        error.current = answer
    return error
