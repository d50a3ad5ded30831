"""A small client of Atelier's REST API. See docs/client.md."""

from atelier_client.client import Client
from atelier_client.errors import (
    AtelierError,
    Broken,
    Conflict,
    Forbidden,
    JobFailed,
    NotFound,
    NotSignedIn,
    Refused,
    Unavailable,
)
from atelier_client.job import Job

__all__ = [
    "AtelierError",
    "Broken",
    "Client",
    "Conflict",
    "Forbidden",
    "Job",
    "JobFailed",
    "NotFound",
    "NotSignedIn",
    "Refused",
    "Unavailable",
]
