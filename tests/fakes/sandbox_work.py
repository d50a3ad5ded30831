"""Work for `atelier.processes.sandbox` in tests: answers, and every way of going wrong."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator


class NoThanks(Exception):
    """A refusal."""


REFUSALS = (NoThanks,)


def work(setup: bytes) -> Callable[[bytes], bytes | Iterator[bytes]]:
    if setup == b"refuse":
        raise NoThanks("This setup cannot be used.")
    if setup == b"hang":
        spin()
    return lambda question: WAYS.get(question, echo)(question)


def echo(question: bytes) -> bytes:
    return b"<" + question + b">"


def spin(_: bytes = b"") -> bytes:
    while True:
        pass


def spin_in_c(_: bytes) -> bytes:
    return str(len(str(7 ** (10**9)))).encode()  # no bytecode in which a signal could be heard


def grow(_: bytes) -> bytes:
    held = []
    while True:
        held.append(bytearray(1 << 20))


def sleep(_: bytes) -> bytes:
    time.sleep(600)
    return b""


def crash(_: bytes) -> bytes:
    os.kill(os.getpid(), signal.SIGSEGV)
    return b""


def told(_: bytes) -> bytes:
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    limits = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1] for name in ("CORE", "AS", "FSIZE")}
    known = {"pid": os.getpid(), "session": os.getsid(0), "environment": dict(os.environ), "grandchild": grandchild.pid}
    return json.dumps(known | {"limits": limits}).encode()


def pieces(_: bytes) -> Iterator[bytes]:
    for number in range(5):
        yield b""
        yield str(number).encode()


def refuse(_: bytes) -> bytes:
    raise NoThanks("Not this one.")


def broken(_: bytes) -> bytes:
    raise KeyError("a mistake of ours")


def full(_: bytes) -> bytes:
    with open("/dev/full", "wb", buffering=0) as disk:
        disk.write(b"x")
    return b""


WAYS: dict[bytes, Callable[[bytes], bytes | Iterator[bytes]]] = {
    b"spin": spin, b"spin in c": spin_in_c, b"grow": grow, b"sleep": sleep, b"crash": crash, b"told": told,
    b"pieces": pieces, b"refuse": refuse, b"broken": broken, b"full": full, b"print": lambda _: (print("noise"), b"quiet")[1],
    b"long": lambda _: b"x" * (2 << 20),
}  # fmt: skip
