"""System prompts that are suggested: an adapter's, a thinking base's own, the project's."""

from pathlib import Path

import pytest

from inference import endpoints, prompts
from inference.clients.base import RequestFields
from inference.models import Deployment, Endpoint
from tests.inference.models_fixtures import adapter, base_on_disk  # noqa: F401
from training.bases import offers

pytestmark = pytest.mark.django_db
MAGISTRAL = "magistral-small-2507"
OWN = "First think.\n[THINK]Your thoughts.[/THINK]Then answer."


@pytest.fixture
def thinker(project, settings, data_folder) -> Endpoint:
    folder = Path(settings.MODELS_DIR) / MAGISTRAL
    folder.mkdir(parents=True)
    (folder / "SYSTEM_PROMPT.txt").write_text(OWN + "\n")
    deployment = Deployment.objects.create(project=project, base=MAGISTRAL)
    return Endpoint.objects.create(project=project, name="Thinker", kind="served", deployment=deployment)


def test_a_thinking_bases_own_prompt_is_suggested_unless_an_adapter_was_trained_with_another(
    project,
    thinker,
    adapter,  # noqa: F811
):
    assert prompts.suggested(project, [thinker]) == OWN
    tuned = Endpoint.objects.create(project=project, name="Tuned", kind="served", adapter=adapter)
    assert prompts.suggested(project, [thinker, tuned]) == "Write plainly."
    assert prompts.suggested(project, []) == project.student_prompt


def test_only_a_base_that_thinks_has_a_prompt_of_its_own(settings, data_folder):
    folder = Path(settings.MODELS_DIR) / "mistral-small-3-1"
    folder.mkdir(parents=True)
    (folder / "SYSTEM_PROMPT.txt").write_text("Today is {today}.")
    assert offers.own_prompt("mistral-small-3-1") == offers.own_prompt("no such base") == ""


def test_it_is_sent_with_its_thoughts_as_a_part_and_other_prompts_as_they_are(thinker):
    fields = RequestFields(own_prompt=endpoints._own_prompt(MAGISTRAL))
    sent = fields.message({"role": "system", "content": OWN})["content"]
    assert [part["type"] for part in sent] == ["text", "thinking", "text"]
    for role, text in (("system", OWN + " More."), ("user", OWN)):
        assert fields.message({"role": role, "content": text})["content"] == text
    assert RequestFields().message({"role": "system", "content": OWN})["content"] == OWN
    assert endpoints._own_prompt("magistral-small-2506") == "", "its thoughts are plain text"
