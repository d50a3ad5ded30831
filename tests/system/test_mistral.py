"""A tiny Mistral with mistral-common's own tokens: through the trainer, then served by vLLM with what it learned."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from curation.chat import Answer, Sampling
from inference.clients import open_client
from inference.vllm.command import Spec, free_port
from inference.vllm.process import Server
from tests.fakes.loopback import EVERY_PORT
from tests.system.installation import ROOT
from tests.training import tiny_bases
from training import run_folder
from training.recipe.fields import Recipe

pytestmark = pytest.mark.slow
RECIPE = Recipe(base="tiny", epochs=2, batch_size=4, rank=8, alpha=64, learning_rate=5e-2, warmup=0.0, save_every=100)
ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say 3 please"}]
# Attention on a processor wants heads of at least 32; the weights are made in a process of its own, for torch's sake.
MAKE = """
import sys
from pathlib import Path
from tests.training import tiny_bases
tiny_bases.SIZES |= {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2, "num_key_value_heads": 2}
tiny_bases.tiny_mistral(Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mistral") / "base"
    subprocess.run([sys.executable, "-c", MAKE, str(folder)], check=True, cwd=ROOT, timeout=900)
    return folder


@pytest.fixture(scope="module")
def run(base, tmp_path_factory) -> Path:
    """Return the folder of a finished run on the base."""
    folder = tmp_path_factory.mktemp("run")
    run_folder.write(
        folder, run_folder.TrainingOrder(RECIPE, base, "mistral-v3"), tiny_bases.rows(), tiny_bases.rows(4)
    )
    done = subprocess.run(
        [sys.executable, "-m", "training.trainer", str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == run_folder.DONE, done.stdout[-2000:] + done.stderr[-2000:]
    return folder


def test_a_tiny_mistral_is_trained_and_served_with_mistrals_tokens(base, run, tmp_path):
    losses = [row["loss"] for row in run_folder.metrics(run)]
    assert losses[-1] < losses[0]
    flags = ("--tokenizer-mode", "mistral", "--config-format", "hf", "--load-format", "safetensors")
    spec = Spec(base, "tiny", free_port(), {"tuned": run / "adapter"}, flags, max_model_len=512, cache_dir=tmp_path)
    server = Server(spec, tmp_path / "vllm.log")
    server.start()
    try:
        server.wait_ready(300)
        assert server.models() == ["tiny", "tuned"]
        plain, tuned = (asyncio.run(ask(spec, model)) for model in ("tiny", "tuned"))
        again = asyncio.run(ask(spec, "tuned"))
    finally:
        server.stop()
    assert plain.prompt_tokens == tuned.prompt_tokens == tokens_of(base)
    assert tuned.text != plain.text
    assert again.text == tuned.text


async def ask(spec: Spec, model: str) -> Answer:
    async with open_client("openai", url=spec.url, model=model, key=spec.key, private_hosts=EVERY_PORT) as client:
        return await client.complete(ASKED, Sampling(temperature=0, max_tokens=16))


def tokens_of(base: Path) -> int:
    """Return how many tokens mistral-common makes of the question: vLLM must count the very same."""
    from mistral_common.protocol.instruct.request import ChatCompletionRequest
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

    tokenizer = MistralTokenizer.from_file(str(next(base.glob("tokenizer.model.*"))))
    return len(tokenizer.encode_chat_completion(ChatCompletionRequest.model_validate({"messages": ASKED})).tokens)
