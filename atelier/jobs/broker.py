"""Monitoring of Redis past Celery: how many wake-ups wait, and what workers report about themselves.

Every call has a short time limit, and raises `BrokerUnavailable` when Redis does not answer within it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import redis
from django.conf import settings

PATIENCE_SECONDS = 2.0
REPORT_SECONDS = 20  # a report older than that is of a worker which is gone


class BrokerUnavailable(Exception):
    """Redis does not answer."""


@dataclass(frozen=True)
class WorkerReport:
    """A worker's report about itself, sent every few seconds."""

    name: str
    began: str  # of this process: another one under the same name begins to count again
    queues: tuple[str, ...]
    slots: int
    taken: int  # messages since its start


@contextmanager
def connected() -> "Iterator[redis.Redis[Any]]":
    """Provide a client of the broker for a few calls. Raises BrokerUnavailable."""
    limits: dict[str, Any] = {"socket_timeout": PATIENCE_SECONDS, "socket_connect_timeout": PATIENCE_SECONDS}
    if settings.REDIS_URL:
        client = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True, **limits)
    else:
        client = redis.Redis(unix_socket_path=str(settings.REDIS_SOCKET), decode_responses=True, **limits)
    try:
        yield client
    except (redis.RedisError, OSError) as error:
        raise BrokerUnavailable(str(error)) from error
    finally:
        client.close()


def key(*parts: str) -> str:
    """Return a key of this installation, as Celery prefixes its own."""
    return settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"] + ":".join(parts)


def waiting(queue: str) -> int:
    """Count the wake-ups in the queue that nobody has taken yet. Raises BrokerUnavailable."""
    with connected() as client:
        return int(client.llen(key(queue)))


def report(mine: WorkerReport) -> bool:
    """Store a worker's report. Returns True when the worker was asked to end since. Raises BrokerUnavailable."""
    with connected() as client, client.pipeline(transaction=False) as pipe:
        pipe.sadd(key("workers"), mine.name)
        pipe.set(key("worker", mine.name), json.dumps(asdict(mine)), ex=REPORT_SECONDS)
        pipe.getdel(key("end", mine.name))
        return bool(pipe.execute()[-1])


def reports() -> list[WorkerReport]:
    """Return the reports of all workers that live. Raises BrokerUnavailable."""
    with connected() as client:
        names = sorted(client.smembers(key("workers")))
        texts = client.mget([key("worker", name) for name in names]) if names else []
        gone = [name for name, text in zip(names, texts, strict=True) if text is None]
        if gone:
            client.srem(key("workers"), *gone)
    replies = [json.loads(text) for text in texts if text]
    return [WorkerReport(**one | {"queues": tuple(one["queues"])}) for one in replies]


def ask_to_end(worker: str) -> None:
    """Ask a worker to end itself at its next report; its supervisor starts it again. Raises BrokerUnavailable."""
    with connected() as client:
        client.set(key("end", worker), "1", ex=REPORT_SECONDS)
