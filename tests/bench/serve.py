"""Serving the student with vLLM: sixteen answers at once, against one after the other on the same server."""

import asyncio
import time

from curation.chat import Sampling
from inference.clients import open_client
from inference.vllm import Server, Spec, free_port
from tests.bench import student
from tests.bench.figures import Figure
from tests.bench.workshop import Options
from tests.fakes.loopback import EVERY_PORT
from training.recipe.fit import Device

AT_ONCE, ALONE = 16, 4
MOST_TOKENS = 96


def measure(options: Options) -> list[Figure]:
    base = student.base(options)
    kind = Device.detect().kind
    logs = options.home / "bench"
    logs.mkdir(parents=True, exist_ok=True)
    spec = Spec(base_dir=base, served_name="student", port=free_port(), device=kind, max_num_seqs=AT_ONCE)
    server = Server(spec, logs / "vllm.log")
    server.start()
    try:
        server.wait_ready()
        alone, together = asyncio.run(both(spec))
    finally:
        server.stop()
    return [Figure("serve, 16 at once", together, "tokens/s", "one at a time", alone)]


async def both(spec: Spec) -> tuple[float, float]:
    """Return the tokens written per second, one at a time and sixteen at once; a first answer, unmeasured, warms the server."""
    briefs = student.briefs()
    await rate(spec, briefs[-1:], 1)
    return await rate(spec, briefs[:ALONE], 1), await rate(spec, briefs[ALONE : ALONE + 2 * AT_ONCE], AT_ONCE)


async def rate(spec: Spec, briefs: list[str], at_once: int) -> float:
    places = asyncio.Semaphore(at_once)
    sampling = Sampling(temperature=0.0, max_tokens=MOST_TOKENS, seed=17)

    async with open_client(
        "openai", url=spec.url, model="student", key=spec.key, timeout=600, private_hosts=EVERY_PORT
    ) as client:

        async def one(brief: str) -> int:
            async with places:
                said = [{"role": "system", "content": student.prompt()}, {"role": "user", "content": brief}]
                return (await client.complete(said, sampling)).completion_tokens

        began = time.monotonic()
        tokens = sum(await asyncio.gather(*(one(brief) for brief in briefs)))
        return tokens / (time.monotonic() - began)
