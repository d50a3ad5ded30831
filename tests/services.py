"""Run the database-bound tests again on PostgreSQL with a real Redis.

`python -m tests.services` says what it leaves out when they are not there; with `--required` that is a failure.
"""

import os
import subprocess
import sys

import psycopg
import redis

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgres://root@127.0.0.1:5432/test")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/9")


def missing() -> list[str]:
    """Return sentences on what does not answer."""
    found = []
    try:
        psycopg.connect(POSTGRES, connect_timeout=3).close()
    except psycopg.Error as error:
        found.append(f"PostgreSQL at {POSTGRES} does not answer ({str(error).splitlines()[0]}).")
    try:
        redis.Redis.from_url(REDIS, socket_connect_timeout=3).ping()
    except redis.RedisError as error:
        found.append(f"Redis at {REDIS} does not answer ({error}).")
    return found


def main() -> int:
    required = "--required" in sys.argv
    absent = missing()
    if absent:
        print("LEFT OUT: the tests on PostgreSQL and Redis. " + " ".join(absent))
        return 1 if required else 0
    command = [
        sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "services or fuzz or (not slow and not browser and not bench)",
        "tests/atelier", "tests/curation", "tests/training", "tests/inference", "tests/services_only",
        "--ignore=tests/curation/checks", "--ignore=tests/curation/formats", "--ignore=tests/curation/scoring",
        "--ignore=tests/inference/clients", "--ignore=tests/inference/vllm",
    ]  # fmt: skip
    return subprocess.run(command, env={**os.environ, "DATABASE_URL": POSTGRES, "REDIS_URL": REDIS}).returncode


if __name__ == "__main__":
    sys.exit(main())
