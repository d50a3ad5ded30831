"""No door leads inward: whatever way this machine is written, a listener on it hears nothing from anybody's address.

The doors are endpoints, webhooks, imports by address, and buckets; each is tried as it is entered (REST) and as a row
that was stored before there was a rule.
"""

import json
import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from atelier.jobs import claims
from atelier.network import addresses, openings, outbound
from atelier.network.outbound import Gate, OutboundRefused
from atelier.webhooks import deliveries, events
from atelier.webhooks.models import Webhook
from curation.datasets import settings as dataset_settings
from curation.imports import job as import_job
from curation.models import Dataset, Import
from inference import endpoints
from inference.models import Endpoint

pytestmark = pytest.mark.django_db
HOST_NAME = socket.gethostname()
SPELLINGS = [
    "127.0.0.1", "127.0.0.2", "127.1", "127.0.1", "127.255.255.254", "0x7f.1", "0x7f000001", "0x7F.0x0.0x0.0x1", "2130706433",
    "017700000001", "0177.0.0.1", "0177.0.0.01", "0.0.0.0", "0", "127.0.0.1.", "localhost", "LOCALHOST", "localhost.",
    "LocalHost.LocalDomain", "localhost.localdomain", "ip6-localhost", "a.localhost", "[::1]", "[0:0:0:0:0:0:0:1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
    "１２７.０.０.１", "①②⑦.⓪.⓪.①", "127。0。0。1", "127．0．0．1", "ｌｏｃａｌｈｏｓｔ", HOST_NAME, HOST_NAME + ".", "[::1%25lo]",
    "127.0.0.1%00", "user@127.0.0.1", "127.0.0.1#@example.com:80", "example.com@127.0.0.1", "example.com\\@127.0.0.1",
]  # fmt: skip


def own_addresses() -> list[str]:
    """Return the addresses of this machine's interfaces, as far as its name and its routes tell."""
    found = {str(info[4][0]).split("%")[0] for info in socket.getaddrinfo(HOST_NAME, None)}
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((far, 9))
                found.add(probe.getsockname()[0])
        except OSError:
            continue  # a machine without a route has no address to try
    return [f"[{address}]" if ":" in address else address for address in sorted(found)]


@pytest.fixture
def canary() -> Iterator[tuple[int, list[str]]]:
    """Provide a port that is open on all addresses of this machine, and the list of who connected."""
    came: list[str] = []
    listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=50)

    def listen() -> None:
        while True:
            try:
                connection, who = listener.accept()
            except OSError:
                return
            came.append(str(who))
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 500 no\r\nContent-Length: 14\r\nConnection: close\r\n\r\nTHE-INNER-TEXT")
            connection.close()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield listener.getsockname()[1], came
    with socket.create_connection(("127.0.0.1", listener.getsockname()[1])):
        pass
    listener.close()


@pytest.fixture(autouse=True)
def defaults(settings):
    settings.PRIVATE_HOSTS = settings.WEBHOOK_PRIVATE_HOSTS = settings.IMPORT_PRIVATE_HOSTS = ()


def endpoint_door(project, url: str) -> str:
    stored = Endpoint.objects.create(project=project, name="Inner", kind="openai", url=url, model="m")
    tried = endpoints.try_out(stored, 5)
    assert not tried.ok
    return tried.text


def webhook_door(project, url: str) -> str:
    hook = Webhook.objects.create(project=project, url=url, events=["imported"])
    events.emit(project, "imported", {})
    delivery = hook.deliveries.get()
    deliveries.deliver(delivery.pk)
    delivery.refresh_from_db()
    [tried] = delivery.tries
    assert (tried["status"], tried["reply"]) == (0, "")
    return tried["error"]


def import_door(project, url: str, **origin: str) -> str:
    dataset = dataset_settings.create(project, None, "Chats", Dataset.Kind.CONVERSATIONS)
    job = Import.objects.create(
        project=project, dataset=dataset, original_name="x.jsonl", url="" if origin else url, origin=origin or {}
    )
    claims.execute(Import, job.pk, lambda claim: import_job.run(claim, ()))
    job.refresh_from_db()
    assert job.status == "failed"
    return job.error


def bucket_door(project, url: str) -> str:
    return import_door(
        project, url, kind="s3", address="s3://bucket/set/", endpoint=url.removesuffix("/v1"), access_key="AKIDEXAMPLE"
    )


def download_door(project, url: str) -> str:
    """Return the refusal of a download as imports and buckets do it.

    Without their rule of ports, which would hide what happens to the host.
    """
    port = int(re.search(r":(\d+)/v1$", url)[1])
    with tempfile.TemporaryDirectory() as folder, pytest.raises(OutboundRefused) as caught:
        outbound.fetch(url, Path(folder) / "file", outbound.Caps(ports=frozenset({port}), seconds=5))
    return str(caught.value)


DOORS = {
    "endpoint": endpoint_door, "webhook": webhook_door, "import": import_door, "bucket": bucket_door, "download": download_door,
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("host", [*SPELLINGS, *own_addresses()])
def test_a_stored_address_of_this_machine_is_never_called(project, canary, door, host):
    port, came = canary
    said = DOORS[door](project, f"http://{host}:{port}/v1")
    assert came == []
    assert said.endswith(".")
    assert "THE-INNER-TEXT" not in said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::1]", HOST_NAME])
def test_what_is_entered_is_refused_and_the_setting_named(project, bob_api, as_bob, canary, host):
    port, came = canary
    url = f"http://{host}:{port}/v1"
    body = {"kind": "openai", "name": "Inner", "url": url, "model": "m"}
    plain = {"2130706433": "127.0.0.1"}.get(host, host.lower())
    root = f"/api/projects/{project.pk}"
    answer = bob_api.post(f"{root}/endpoints", json.dumps(body), content_type="application/json")
    assert answer.status_code == 422
    assert f"set ATELIER_PRIVATE_HOSTS={plain}:{port} and restart it" in answer.json()["detail"]
    hook = {"url": url, "events": ["frozen"]}
    answer = bob_api.post(f"{root}/webhooks", json.dumps(hook), content_type="application/json")
    assert answer.status_code == 422
    assert f"set ATELIER_WEBHOOK_PRIVATE_HOSTS={plain}:{port}" in answer.json()["detail"]
    page = as_bob.post(f"/projects/{project.pk}/settings/endpoints/new/openai", {**body, "price_in": 0, "price_out": 0})
    assert page.status_code == 422
    assert f"ATELIER_PRIVATE_HOSTS={plain}:{port}" in page.content.decode()
    assert not project.endpoints.exists()
    assert not project.webhooks.exists()
    assert came == []


def test_what_the_operator_opened_is_reached_and_its_words_stay_inside(project, canary, settings):
    port, came = canary
    settings.PRIVATE_HOSTS = settings.WEBHOOK_PRIVATE_HOSTS = openings.of("127.0.0.1", port)
    said = endpoint_door(project, f"http://127.0.0.1:{port}/v1")
    assert "answered 500" in said
    assert "THE-INNER-TEXT" not in said
    hook = Webhook.objects.create(project=project, url=f"http://127.0.0.1:{port}/x", events=["imported"])
    events.emit(project, "imported", {})
    deliveries.deliver(hook.deliveries.get().pk)
    assert "THE-INNER-TEXT" not in str(hook.deliveries.values().get())
    assert hook.deliveries.get().tries[0]["status"] == 500
    assert len(came) == 2


def test_what_endpoints_may_reach_webhooks_may_not(project, canary, settings):
    port, came = canary
    settings.PRIVATE_HOSTS = openings.of("127.0.0.1", port)
    assert "ATELIER_WEBHOOK_PRIVATE_HOSTS" in webhook_door(project, f"http://127.0.0.1:{port}/x")
    assert came == []


def test_an_open_and_a_closed_port_are_refused_in_the_same_words(project, canary):
    port, _ = canary
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        closed = listener.getsockname()[1]
    words = []
    for number in (port, closed):
        words.append(endpoint_door(project, f"http://127.0.0.1:{number}/v1").replace(str(number), "N"))
        project.endpoints.all().delete()
    assert words[0] == words[1]


def test_an_address_of_this_machine_is_inner_even_if_it_is_public(monkeypatch):
    """A firewall stands before the machine, and a call from inside would not meet it."""
    monkeypatch.setattr(addresses, "is_public", lambda address: True)
    with pytest.raises(OutboundRefused):
        Gate().check_url("http://127.0.0.1:80/")
    Gate().check_url("http://8.8.8.8:80/")


def test_the_machine_knows_its_own_addresses(monkeypatch):
    own = [address.strip("[]") for address in own_addresses()]
    for binds_anything in (False, True):
        monkeypatch.setattr(addresses, "_binds_anything", lambda answer=binds_anything: answer)
        assert addresses.is_own("127.0.0.1")
        assert [address for address in own if not addresses.is_own(address)] == []
        assert not addresses.is_own("8.8.8.8")
        assert not addresses.is_own("2606:4700:4700::1111")


def test_the_teacher_of_the_environment_is_opened_and_nothing_beside_it(project, canary, monkeypatch):
    port, came = canary
    monkeypatch.setenv("ATELIER_TEACHER_URL", f"http://localhost:{port}/v1")
    monkeypatch.setenv("ATELIER_TEACHER_MODEL", "own")
    made = endpoints.from_environment(project)
    assert "answered 500" in endpoints.try_out(made, 5).text
    assert len(came) == 1
    beside = Endpoint(project=project, name="b", kind="openai", url=f"http://localhost:{port + 1}/v1", model="m")
    assert "private network" in endpoints.try_out(beside, 5).text


def test_a_row_stored_before_the_rule_is_told_on_its_page(project, as_bob, bob_api):
    old = Endpoint.objects.create(
        project=project, name="Old", kind="openai", url="http://127.0.0.1:8000/v1/load_lora_adapter?x=", model="m"
    )
    page = as_bob.get(f"/projects/{project.pk}/settings/endpoints/{old.pk}")
    assert page.status_code == 200
    assert "ATELIER_PRIVATE_HOSTS=127.0.0.1:8000" in page.content.decode()
    assert "Unavailable" in as_bob.get(f"/projects/{project.pk}/settings/endpoints/").content.decode()
    assert "private network" in bob_api.get(f"/api/projects/{project.pk}/endpoints/{old.pk}").json()["problem"]
    hook = Webhook.objects.create(project=project, url="http://127.0.0.1:8000/x", events=["imported"])
    page = as_bob.get(f"/projects/{project.pk}/settings/webhooks/{hook.pk}")
    assert "ATELIER_WEBHOOK_PRIVATE_HOSTS=127.0.0.1:8000" in page.content.decode()
    assert "private network" in bob_api.get(f"/api/projects/{project.pk}/webhooks/{hook.pk}").json()["problem"]
