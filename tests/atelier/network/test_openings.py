"""What a setting of private hosts opens, and which of its values are refused at the start."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from atelier.network import openings
from atelier.network.outbound import Gate, OutboundRefused

ROOT = Path(__file__).parents[3]


def admitted(text: str, url: str, *found: str) -> bool:
    """Return whether a gate with these openings admits a URL, its name resolved to these addresses."""
    gate = Gate(openings.parse(text))
    try:
        parsed = gate.check_url(url)
        if found:
            gate.admit(parsed.raw_host or "", parsed.port or 0, found)
    except OutboundRefused:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "url", "found"),
    [
        ("localhost:11434", "http://localhost:11434/v1", ["127.0.0.1", "::1"]),
        ("localhost:11434", "http://127.0.0.1:11434/v1", []),
        ("127.0.0.1:11434", "http://localhost:11434/v1", ["::1", "127.0.0.1"]),
        ("[::1]:8000", "http://[::1]:8000/v1", []),
        ("10.0.0.0/8:8000", "http://10.2.3.4:8000/v1", []),
        ("10.0.0.0/8:8000", "http://gpu.example:8000/v1", ["10.2.3.4"]),
        ("10.0.0.0/8:8000", "http://[::ffff:10.2.3.4]:8000/v1", []),
        ("[fd00::/8]:8000", "http://[fd12::1]:8000/v1", []),
        ("vllm:8000", "http://vllm:8000/v1", ["172.18.0.2"]),
        ("VLLM.:8000", "http://vllm.:8000/v1", ["172.18.0.2"]),
        ("gpu.lan:8000-8010", "http://gpu.lan:8010/v1", ["192.168.1.7"]),
        ("a:1,b:2 c:3", "http://c:3/", ["10.0.0.1"]),
        ("10.0.0.5:80", "http://10.0.0.5/", []),
        ("10.0.0.5:443", "https://10.0.0.5/", []),
    ],
)
def test_what_is_opened_may_be_called(text: str, url: str, found: list[str]) -> None:
    assert admitted(text, url, *found)
    assert not admitted("", url, *found)


@pytest.mark.parametrize(
    ("text", "url", "found"),
    [
        ("localhost:11434", "http://localhost:11435/v1", ["127.0.0.1"]),
        ("localhost:11434", "http://127.0.0.2:11434/v1", []),
        ("localhost:11434", "http://10.0.0.1:11434/v1", []),
        ("10.0.0.0/8:8000", "http://192.168.0.1:8000/v1", []),
        ("10.0.0.0/8:8000", "http://10.0.0.1:8001/v1", []),
        ("vllm:8000", "http://other:8000/v1", ["172.18.0.2"]),
        ("vllm:8000", "http://other.example:8000/v1", ["172.18.0.2"]),
        ("10.0.0.5:8000", "http://gpu.example:8000/v1", ["10.0.0.5", "10.0.0.6"]),
        ("gpu.lan:8000-8010", "http://gpu.lan:8011/v1", ["192.168.1.7"]),
        ("10.0.0.5:443", "http://10.0.0.5/", []),
    ],
)
def test_what_lies_beside_an_opening_stays_closed(text: str, url: str, found: list[str]) -> None:
    assert not admitted(text, url, *found)


@pytest.mark.parametrize(
    "unclear",
    [
        "localhost", "127.0.0.1", "10.0.0.0/8", "*", "*:8000", "localhost:*", "::1", "::1:8000", "[::1]", "http://localhost:8000",
        "localhost:0", "localhost:65536", "localhost:8010-8000", "localhost:", ":8000", "0.0.0.0:8000", "[::]:8000",
        "0.0.0.0/0:8000", "[::/0]:8000", "10.0.0.5/8:8000", "2130706433:8000", "127.1:8000", "0x7f.1:8000", "[::ffff:127.0.0.1]:8000",
        "[localhost]:8000", "localhost:８０", "höst:80", "user@host:80", "host:80/v1", "-a:80", "a..b:80", "localhost:+80",
    ],
)  # fmt: skip
def test_an_unclear_opening_is_refused_with_an_example(unclear: str) -> None:
    with pytest.raises(ValueError, match=r"Write each host with its port, such as localhost:11434"):
        openings.parse(f"good:80 {unclear}")


@pytest.mark.parametrize("ports", [frozenset(), frozenset({80, 443})])
@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST.", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:10.0.0.5]", "10.0.0.5", "gpu", "gpu.lan", "my_gpu.local",
     "[fd00::5]", "[64:ff9b::7f00:1]", "169.254.169.254", "a.localhost", "１２７.０.０.１", "gpü.lan"],
)  # fmt: skip
def test_what_a_refusal_says_to_write_opens_just_that(host: str, ports: frozenset[int]) -> None:
    url = f"http://{host}:8123/v1"
    with pytest.raises(OutboundRefused) as caught:
        Gate(ports=ports, setting="SETTING").check_url(url)
    value = re.search(r"set SETTING=(\S+) and restart", str(caught.value))
    assert value
    assert Gate(openings.parse(value[1]), ports).check_url(url)
    with pytest.raises(OutboundRefused, match=r"add .*:8124 to SETTING and restart"):
        Gate(openings.parse(value[1]), ports, "SETTING").check_url(url.replace("8123", "8124"))


@pytest.mark.parametrize("host", ["0.0.0.0", "0", "[::]", "0x0"])
def test_an_address_that_stands_for_all_is_refused_with_what_to_enter(host: str) -> None:
    with pytest.raises(OutboundRefused, match="Enter a specific one, such as localhost"):
        Gate(openings.parse("localhost:80"), setting="SETTING").check_url(f"http://{host}/")


@pytest.mark.parametrize(
    "setting", ["ATELIER_PRIVATE_HOSTS", "ATELIER_WEBHOOK_PRIVATE_HOSTS", "ATELIER_IMPORT_PRIVATE_HOSTS"]
)
def test_a_start_with_an_unclear_setting_ends_with_the_sentence(setting: str, tmp_path: Path) -> None:
    environment = {**os.environ, setting: "localhost", "ATELIER_DATA": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"{setting}: “localhost” has no host with a port. Write each host")
    assert "Traceback" not in done.stderr


def test_nothing_is_open_by_default(tmp_path: Path) -> None:
    code = "from atelier import settings as s; print(s.PRIVATE_HOSTS, s.WEBHOOK_PRIVATE_HOSTS, s.IMPORT_PRIVATE_HOSTS)"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ATELIER_")} | {
        "ATELIER_DATA": str(tmp_path)
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "() () ()"
