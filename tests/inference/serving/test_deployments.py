"""Deployments: wishes, and what people see of how they go."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from inference.models import Deployment, Endpoint
from inference.serving import deployments
from tests.inference.models_fixtures import SLUG, adapter, base_on_disk, make_adapter  # noqa: F401
from training import manifest
from training.bases import offers
from training.models import Base

pytestmark = pytest.mark.django_db


def test_deploying_an_adapter_makes_endpoints_for_it_and_its_base(project, adapter):  # noqa: F811
    deployment = deployments.deploy(project, SLUG, [adapter])
    names = list(deployment.endpoints.order_by("pk").values_list("name", flat=True))
    assert names == ["SmolLM2 135M Instruct (base)", "SmolLM2 135M Instruct, run 1"]
    assert deployment.state == Deployment.State.WAITING
    assert list(deployment.adapters.all()) == [adapter]


def test_deploying_twice_doubles_nothing(project, adapter):  # noqa: F811
    deployments.deploy(project, SLUG, [adapter])
    deployments.deploy(project, SLUG, [adapter])
    assert (Deployment.objects.count(), Endpoint.objects.count()) == (1, 2)


def test_a_second_adapter_joins_the_first(project, adapter):  # noqa: F811
    deployments.deploy(project, SLUG, [adapter])
    deployment = deployments.deploy(project, SLUG, [make_adapter(project)])
    assert deployment.adapters.count() == 2


def test_a_base_that_is_not_on_disk_is_refused(project, data_folder):
    with pytest.raises(ValidationError, match=r"is not on this machine yet\. Download it under Models"):
        deployments.deploy(project, SLUG)
    Base.objects.create(slug=SLUG)
    assert deployments.deploy(project, SLUG).wanted == "up"


def test_an_adapter_whose_files_changed_is_refused(project, adapter):  # noqa: F811
    (adapter.path / "adapter_model.safetensors").write_bytes(b"other weights")
    with pytest.raises(ValidationError, match="differ from those that its run left"):
        deployments.deploy(project, SLUG, [adapter])


def trained_on(adapter, digest):  # noqa: F811
    adapter.run.facts = {"base_digest": digest, "base_revision": "r0"}
    adapter.run.save()


def test_an_adapter_of_another_revision_of_its_base_is_refused(project, adapter):  # noqa: F811
    trained_on(adapter, offers.note(SLUG).digest)
    deployments.deploy(project, SLUG, [adapter])
    folder = Base.objects.get(slug=SLUG).folder
    (folder / "config.json").write_text('{"other": 1}')
    manifest.write(folder, slug=SLUG, revision="r2")
    for adapters in ([adapter], []):  # also where the base alone is asked for, and the adapter is there from before
        with pytest.raises(ValidationError, match=r"other files of .* \(revision r0; on disk is r2\)"):
            deployments.deploy(project, SLUG, adapters)
    deployments.remove_adapter(Deployment.objects.get(), adapter)
    assert deployments.deploy(project, SLUG).wanted == "up"


def test_an_adapter_from_before_digests_were_kept_is_served(project, adapter):  # noqa: F811
    adapter.run.facts = {}
    adapter.run.save()
    assert deployments.deploy(project, SLUG, [adapter]).wanted == "up"


def test_an_adapter_of_another_project_is_refused(project, team, adapter):  # noqa: F811
    other = team.projects.create(name="Other")
    with pytest.raises(ValidationError, match="was not trained on"):
        deployments.deploy(other, SLUG, [adapter])


def test_taking_down_keeps_the_endpoints_but_they_are_not_ready(project, adapter):  # noqa: F811
    deployment = deployments.deploy(project, SLUG, [adapter])
    assert deployments.stop(deployment)
    assert not deployments.stop(deployment)
    assert Endpoint.objects.count() == 2
    assert not any(endpoint.is_ready for endpoint in Endpoint.objects.all())


def test_one_adapter_can_be_taken_out(project, adapter):  # noqa: F811
    other = make_adapter(project)
    deployment = deployments.deploy(project, SLUG, [adapter, other])
    assert deployments.remove_adapter(deployment, adapter)
    assert [e.adapter for e in deployments.live(deployment).endpoints] == [None, other]


def test_without_a_server_it_is_said_to_be_missing(project, adapter):  # noqa: F811
    deployment = deployments.deploy(project, SLUG, [adapter])
    assert deployments.live(deployment).state == "waiting"
    old = timezone.now() - timedelta(minutes=1)
    Deployment.objects.update(wanted_at=old, seen_at=old, state="ready")
    live = deployments.live(Deployment.objects.get())
    assert (live.state, live.message) == ("waiting", deployments.NO_SERVER)
