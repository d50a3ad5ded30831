"""The model server: a loop that serves what deployments request, and reports to their rows. One vLLM process per base.

It decides nothing: it reads requests, compares them with its processes, and takes the next step of each. Slow steps
(loading an adapter, stopping) run beside the loop, so that every change is seen within two seconds.
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

from inference.models import Deployment
from inference.serving import deployments
from inference.serving.served_base import ServedBase, WantedAdapter
from inference.vllm import Server, Spec, free_port, tool_parser
from training.bases import offers
from training.models import Adapter

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.5
SEEN_SECONDS = 2.0
MAX_GPU_SHARE = 0.92
REPLACED = "The files of this base were replaced on disk, so it restarts with the new ones."
GONE: dict[str, Any] = {"message": "", "url": "", "sealed_key": "", "loaded": []}
MakeServer = Callable[[Spec, Path], Server]


@dataclass
class BaseDemand:
    """The demand of all projects together for one base."""

    since: datetime
    adapters: dict[str, Adapter] = field(default_factory=dict)


class Reconciler:
    """The loop and the bases that it serves. `say` is called with every change of state."""

    def __init__(self, say: Callable[[str], None] = log.info, make: MakeServer = Server) -> None:
        self.say, self.make = say, make
        self.bases: dict[str, ServedBase] = {}
        self.written: dict[int, tuple[Any, ...]] = {}
        self.beside = ThreadPoolExecutor(8, thread_name_prefix="served-base")

    def run(self, ended: threading.Event) -> None:
        """Run until the event is set; then everything is stopped and the rows are updated."""
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
        """Run one round: read the requests, take one step of every base, report once."""
        rows = list(Deployment.objects.prefetch_related("adapters__run").order_by("pk"))
        demands = wanted(rows)
        for slug, demand in demands.items():
            served = self.bases.get(slug)
            if served is None:
                served = self.bases[slug] = ServedBase(slug, self.beside)
            digest = offers.digest(slug)
            served.misfits = {
                name: why for name, adapter in demand.adapters.items() if (why := deployments.misfit(adapter, digest))
            }
            adapters = [pair for pair in demand.adapters.items() if pair[0] not in served.misfits]
            served.want({name: WantedAdapter(adapter.path, adapter.rank) for name, adapter in adapters}, demand.since)
            is_other = bool(served.digest and digest and digest != served.digest)
            if is_other and served.server is not None and served.state in ("starting", "ready"):
                served.fail(REPLACED)  # its process has the old weights
            elif served.is_due():
                served.digest = digest
                self.begin(served)
        for slug, served in list(self.bases.items()):
            if slug not in demands:
                served.want_nothing()
            served.step()
            if served.state == "stopped":
                del self.bases[slug]
        self.report(rows)

    def begin(self, served: ServedBase) -> None:
        """Start the process of a base, or note why it cannot be started."""
        try:
            spec = self.spec(served)
        except ValidationError as error:
            served.fail(" ".join(error.messages))
            return
        served.start(self.make(spec, Path(settings.LOG_DIR) / f"serve-{served.slug}.log"))

    def spec(self, served: ServedBase) -> Spec:
        """Return how the base is served on this machine. Raises ValidationError when it is not there or does not fit."""
        base, machine = offers.get(served.slug), offers.machine()
        if not offers.store.is_ready(Path(settings.MODELS_DIR), served.slug):
            raise ValidationError(f"{base.title} is no longer on this machine. Download it under Models.")
        flags = [*base.serve, *tool_parser.flags_for(deployments.tool_parser_of(served.slug), base.serve)]
        if machine.kind == "cuda":
            served.share = self.share(served, base.serve_gib, machine.memory_gib)
            flags += ["--gpu-memory-utilization", f"{served.share:.3f}"]
        return Spec(
            base_dir=Path(settings.MODELS_DIR).resolve() / served.slug,
            served_name=served.slug,
            port=free_port(),
            flags=tuple(flags),
            max_lora_rank=served.rank,
            device=machine.kind,
            cache_dir=Path(settings.DATA_DIR) / "vllm",
        )

    def share(self, served: ServedBase, gib: float, memory: float) -> float:
        """Return the part of the GPU's memory for a base: what it needs and a quarter more, so that others fit beside it."""
        others = sum(other.share for other in self.bases.values() if other is not served)
        share = min(0.9, max(0.05, gib * 1.25 / memory))
        if others + share > MAX_GPU_SHARE and others:
            raise ValidationError(
                f"{served.slug} needs {gib:g} GiB and the other models leave too little of the GPU's {memory:g} GiB. Stop serving one of them."
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
        """Return the current state, message, address and adapters of one deployment."""
        served = self.bases.get(row.base)
        if row.wanted == Deployment.Wanted.DOWN:
            alone = served is not None and served.is_ending
            state = Deployment.State.STOPPING if alone else Deployment.State.DOWN
            return {"state": state, **GONE}
        if served is None:
            return {"state": Deployment.State.WAITING, **GONE}
        names = [adapter.served_name for adapter in row.adapters.all()]
        is_ready = served.state == "ready"
        return {
            "state": served.state,
            "message": served.words_for(names),
            "url": served.url if is_ready else "",
            "sealed_key": served.sealed_key if is_ready else "",
            "loaded": [name for name in names if name in served.loaded] if is_ready else [],
        }

    def stop(self) -> None:
        """Stop every process, and note in the rows that the server has ended."""
        for served in self.bases.values():
            served.want_nothing()
            served.step()
        self.beside.shutdown(wait=True)
        for served in self.bases.values():
            served.end_now()
        self.bases.clear()
        try:
            gone = {**GONE, "seen_at": None}
            for wanted_state, state in (("up", Deployment.State.WAITING), ("down", Deployment.State.DOWN)):
                Deployment.objects.filter(wanted=wanted_state).update(state=state, **gone)
        except DatabaseError as error:
            log.warning("could not say in the database that the server ended: %s", error)


def wanted(rows: list[Deployment]) -> dict[str, BaseDemand]:
    """Return what all projects want, by base."""
    demands: dict[str, BaseDemand] = {}
    newest: dict[str, datetime] = defaultdict(lambda: datetime.min.replace(tzinfo=timezone.get_current_timezone()))
    for row in rows:
        if row.wanted != Deployment.Wanted.UP:
            continue
        newest[row.base] = max(newest[row.base], row.wanted_at)
        demand = demands.setdefault(row.base, BaseDemand(row.wanted_at))
        demand.since = newest[row.base]
        demand.adapters |= {adapter.served_name: adapter for adapter in row.adapters.all()}
    return demands
