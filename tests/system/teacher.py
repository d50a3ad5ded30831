"""The fake teacher as a process: `python -m tests.system.teacher LATENCY CALLS_FILE` notes every call in the file."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.fakes.openai_server import Plan, serve


def noting(calls: Path) -> Plan:
    def reply(body: dict[str, Any]) -> str:
        asked = body["messages"][-1]["content"]
        with calls.open("a") as file:
            file.write(json.dumps(asked) + "\n")
        return f"Answer to: {asked}"

    return Plan(latency=float(sys.argv[1]), reply=reply)


if __name__ == "__main__":
    asyncio.run(serve(noting(Path(sys.argv[2])), "127.0.0.1", 0))
