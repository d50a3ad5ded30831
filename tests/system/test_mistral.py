"""A tiny Mistral with mistral-common's own tokens: through the trainer, then served by vLLM with what it learned."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from curation.chat import Answer, Sampling
from inference.clients import open_client
from inference.serving.command import Spec, free_port
from inference.serving.server import Server
from tests.system.installation import ROOT
from tests.training import bases
from training import rundir
from training.recipe import Recipe

pytestmark = pytest.mark.slow
RECIPE = Recipe(base="tiny", epochs=2, batch_size=4, rank=8, alpha=64, learning_rate=5e-2, warmup=0.0, save_every=100)
ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say 3 please"}]
# Attention on a processor wants heads of at least 32; the weights are made in a process of its own, for torch's sake.
MAKE = """
import sys
from pathlib import Path
from tests.training import bases
bases.SIZES |= {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2, "num_key_value_heads": 2}
bases.tiny_mistral(Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mistral") / "base"
    subprocess.run([sys.executable, "-c", MAKE, str(folder)], check=True, cwd=ROOT, timeout=180)
    return folder


@pytest.fixture(scope="module")
def run(base, tmp_path_factory) -> Path:
    """The folder of a finished run on it."""
    folder = tmp_path_factory.mktemp("run")
    rundir.write(folder, rundir.Order(RECIPE, base, "mistral-v3"), bases.rows(), bases.rows(4))
    done = subprocess.run(
        [sys.executable, "-m", "training.qlora", str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == rundir.DONE, done.stdout[-2000:] + done.stderr[-2000:]
    return folder


def test_a_tiny_mistral_is_trained_and_served_with_mistrals_tokens(base, run, tmp_path):
    losses = [row["loss"] for row in rundir.metrics(run)]
    assert losses[-1] < losses[0]
    flags = ("--tokenizer-mode", "mistral", "--config-format", "hf", "--load-format", "safetensors")
    spec = Spec(base, "tiny", free_port(), {"tuned": run / "adapter"}, flags, max_model_len=512, cache_dir=tmp_path)
    server = Server(spec, tmp_path / "vllm.log")
    server.start()
    try:
        server.wait_ready(300)
        assert server.models() == ["tiny", "tuned"]
        plain, tuned = (asyncio.run(ask(spec.url, model)) for model in ("tiny", "tuned"))
        again = asyncio.run(ask(spec.url, "tuned"))
    finally:
        server.stop()
    assert plain.prompt_tokens == tuned.prompt_tokens == tokens_of(base)
    assert tuned.text != plain.text
    assert again.text == tuned.text


async def ask(url: str, model: str) -> Answer:
    async with open_client("openai", url=url, model=model) as client:
        return await client.complete(ASKED, Sampling(temperature=0, max_tokens=16))


def tokens_of(base: Path) -> int:
    """How many tokens mistral-common makes of the question: vLLM must ask the very same."""
    from mistral_common.protocol.instruct.request import ChatCompletionRequest
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

    tokenizer = MistralTokenizer.from_file(str(next(base.glob("tokenizer.model.*"))))
    return len(tokenizer.encode_chat_completion(ChatCompletionRequest.model_validate({"messages": ASKED})).tokens)
