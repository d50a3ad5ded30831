"""The model server: a loop that makes so what deployments wish for, and reports to their rows. One vLLM process a base.

It decides nothing: it reads wishes, compares them with its processes, and takes the next step of each. Whatever takes
long (loading an adapter, stopping) goes on beside the loop, so that every change is seen within two seconds.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from django.utils import timezone

from inference.keeper import Keeper
from inference.models import Deployment
from inference.serving import Server, Spec, free_port
from training import bases
from training.models import Adapter

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.5
SEEN_SECONDS = 2.0
MAX_GPU_SHARE = 0.92
MakeServer = Callable[[Spec, Path], Server]


@dataclass
class Wish:
    """What all projects together want of one base."""

    since: datetime
    adapters: dict[str, Adapter] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        return max([16, *(adapter.rank for adapter in self.adapters.values())])


class ModelServer:
    """The loop and its keepers, one a base. `say` is told of every change of state."""

    def __init__(self, say: Callable[[str], None] = log.info, make: MakeServer = Server) -> None:
        self.say, self.make = say, make
        self.keepers: dict[str, Keeper] = {}
        self.written: dict[int, tuple[Any, ...]] = {}
        self.beside = ThreadPoolExecutor(8, thread_name_prefix="keeper")

    def run(self, ended: threading.Event) -> None:
        """Until the event is set; then everything is stopped and the rows say so."""
        try:
            while not ended.is_set():
                try:
                    self.tick()
                except DatabaseError as error:
                    log.warning("the database is away, what is served stays as it is: %s", error)
                    connection.close()
                ended.wait(LOOK_SECONDS)
        finally:
            self.stop()

    def tick(self) -> None:
        """One look at the wishes, one step of every keeper, one report."""
        rows = list(Deployment.objects.prefetch_related("adapters").order_by("pk"))
        wishes = wanted(rows)
        for slug, wish in wishes.items():
            keeper = self.keepers.get(slug)
            if keeper is None:
                keeper = self.keepers[slug] = Keeper(slug, self.beside)
            keeper.want({name: adapter.path for name, adapter in wish.adapters.items()}, wish.rank, wish.since)
            if keeper.is_due():
                self.begin(keeper)
        for slug, keeper in list(self.keepers.items()):
            if slug not in wishes:
                keeper.want_nothing()
            keeper.step()
            if keeper.state == "stopped":
                del self.keepers[slug]
        self.report(rows)

    def begin(self, keeper: Keeper) -> None:
        """Start the process of a keeper, or say why it cannot be started."""
        try:
            spec = self.spec(keeper)
        except ValidationError as error:
            keeper.fail(" ".join(error.messages))
            return
        keeper.start(self.make(spec, Path(settings.LOG_DIR) / f"serve-{keeper.slug}.log"), spec.max_lora_rank)

    def spec(self, keeper: Keeper) -> Spec:
        """How the base is served on this machine. Raises ValidationError when it is not there or does not fit."""
        base, machine = bases.get(keeper.slug), bases.machine()
        if not bases.student.is_ready(Path(settings.MODELS_DIR), keeper.slug):
            raise ValidationError(f"{base.title} is not on this machine any more: fetch it under Models.")
        flags = list(base.serve)
        if machine.kind == "cuda":
            keeper.share = self.share(keeper, base.serve_gib, machine.memory_gib)
            flags += ["--gpu-memory-utilization", f"{keeper.share:.3f}"]
        return Spec(
            base_dir=Path(settings.MODELS_DIR).resolve() / keeper.slug,
            served_name=keeper.slug,
            port=free_port(),
            flags=tuple(flags),
            max_lora_rank=keeper.rank,
            device=machine.kind,
            cache_dir=Path(settings.DATA_DIR) / "vllm",
        )

    def share(self, keeper: Keeper, gib: float, memory: float) -> float:
        """The part of the GPU's memory for a base: what it needs and a quarter more, so that others fit beside it."""
        others = sum(other.share for other in self.keepers.values() if other is not keeper)
        share = min(0.9, max(0.05, gib * 1.25 / memory))
        if others + share > MAX_GPU_SHARE and others:
            raise ValidationError(
                f"{keeper.slug} needs {gib:g} GiB and the other models leave too little of the GPU's {memory:g} GiB: "
                "take one of them down."
            )
        return share

    def report(self, rows: list[Deployment]) -> None:
        """Write what changed to the rows, and to all of them now and then that the server lives."""
        for row in rows:
            facts = self.facts(row)
            now, before = tuple(map(str, facts.values())), self.written.get(row.pk)
            is_up = row.wanted == Deployment.Wanted.UP
            is_old = row.seen_at is None or timezone.now() - row.seen_at > timedelta(seconds=SEEN_SECONDS)
            if now != before:
                self.say(f"{row.base} (project {row.project_id}): {facts['state']} {facts['message']}".strip())
            if now != before or (is_old and is_up) or facts["state"] != row.state:
                # Not over a wish that was made since the rows were read.
                Deployment.objects.filter(pk=row.pk, wanted_at=row.wanted_at).update(**facts, seen_at=Now())
                self.written[row.pk] = now

    def facts(self, row: Deployment) -> dict[str, Any]:
        """State, message, address and adapters of one deployment as they are now."""
        keeper = self.keepers.get(row.base)
        if row.wanted == Deployment.Wanted.DOWN:
            alone = keeper is not None and keeper.is_ending
            state = Deployment.State.STOPPING if alone else Deployment.State.DOWN
            return {"state": state, "message": "", "url": "", "loaded": []}
        if keeper is None:
            return {"state": Deployment.State.WAITING, "message": "", "url": "", "loaded": []}
        names = [adapter.served_name for adapter in row.adapters.all()]
        is_ready = keeper.state == "ready"
        return {
            "state": keeper.state,
            "message": keeper.words_for(names),
            "url": keeper.url if is_ready else "",
            "loaded": [name for name in names if name in keeper.loaded] if is_ready else [],
        }

    def stop(self) -> None:
        """End every process, and say in the rows that the server is gone."""
        for keeper in self.keepers.values():
            keeper.want_nothing()
            keeper.step()
        self.beside.shutdown(wait=True)
        for keeper in self.keepers.values():
            keeper.end_now()
        self.keepers.clear()
        try:
            gone = {"message": "", "url": "", "loaded": [], "seen_at": None}
            for wish, state in (("up", Deployment.State.WAITING), ("down", Deployment.State.DOWN)):
                Deployment.objects.filter(wanted=wish).update(state=state, **gone)
        except DatabaseError as error:
            log.warning("could not say in the database that the server ended: %s", error)


def wanted(rows: list[Deployment]) -> dict[str, Wish]:
    """The wishes of all projects by base."""
    found: dict[str, Wish] = {}
    newest: dict[str, datetime] = defaultdict(lambda: datetime.min.replace(tzinfo=timezone.get_current_timezone()))
    for row in rows:
        if row.wanted != Deployment.Wanted.UP:
            continue
        newest[row.base] = max(newest[row.base], row.wanted_at)
        wish = found.setdefault(row.base, Wish(row.wanted_at))
        wish.since = newest[row.base]
        wish.adapters |= {adapter.served_name: adapter for adapter in row.adapters.all()}
    return found
