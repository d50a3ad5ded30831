"""The table of a dataset as a signed-in member gets it: some places of it, each against the bare SQL of its page.

With `--records` of tests.bench it is a dataset of that size, filled by SQL, asked every kind of question. So is
`python -m tests.bench.lists 1000000 [part of a kind's name]`, in the installation that the environment names, which keeps the
records.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from tests.bench import crowd, gen_chat, queries, workshop
from tests.bench.figures import Figure, quantile
from tests.bench.workshop import Options

TIMES = 40
KIND_TIMES = 20
COMMON = "time"  # in three rows of four
CONTENT = ("fields", "messages", "tools", "chosen", "rejected", "metadata")  # what a list does not show


def measure(options: Options) -> list[Figure]:
    workshop.open_installation()
    from django.test import Client
    from django.urls import reverse

    from atelier.accounts.models import User
    from curation.models import Record

    if options.records:
        return every_kind(crowd.filled(options.records))
    dataset = workshop.filled(options)
    Record.objects.filter(dataset=dataset, import_line__lte=options.rows // 3).update(status=Record.Status.ACCEPTED)
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="member"))
    address = reverse("curation:dataset", args=[dataset.project_id, dataset.pk])
    found = []
    for name, query in places(dataset, options).items():
        found += figures(name, page(client, f"{address}?{urlencode(query)}"), bare(dataset, query))
    return found


def every_kind(dataset: Any, only: str = "") -> list[Figure]:
    """Measure each kind of list from a request to its response, middleware included.

    They take turns, so that all meet the same load.
    """
    from django.test import Client
    from django.urls import reverse

    from atelier.accounts.models import User

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="member"))
    address = reverse("curation:dataset", args=[dataset.project_id, dataset.pk])
    pages = {
        name: page(client, f"{address}?{urlencode(query)}")
        for name, query in queries.places(dataset).items()
        if only in name
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in pages}
    for turn in range(KIND_TIMES + 1):
        for name, get in pages.items():
            took = milliseconds(get)
            if turn:  # the first one fills the caches
                times[name].append(took)
    return [
        Figure(
            f"list of {dataset.name}, {name}, {label}", quantile([took[kind] for took in found], 0.95), "ms",
            label.replace("p95", "p50"), quantile([took[kind] for took in found], 0.5),
        )
        for name, found in times.items()
        for label, kind in (("p95", 0), ("p95 of processor", 1))
    ]  # fmt: skip


def places(dataset: Any, options: Options) -> dict[str, dict[str, str]]:
    """Return the URL's query of each place that is looked at."""
    middle = dataset.records.order_by("pk")[options.rows // 2].pk
    return {
        "first page": {},
        "page in the middle": {"after": f"{middle}~{middle}"},
        "accepted ones": {"status": "accepted"},
        "longest first": {"sort": "longest"},
        "common word": {"q": COMMON},
        "common word, longest first": {"q": COMMON, "sort": "longest"},
        "rare word": {"q": gen_chat.names()[-1]},
    }


def page(client: Any, address: str) -> Callable[[], None]:
    def get() -> None:
        status = client.get(address).status_code
        if status != 200:
            raise RuntimeError(f"{address} answered {status}.")

    return get


def bare(dataset: Any, query: dict[str, str]) -> Callable[[], None]:
    """Return a function that runs the statement for the rows of this page, and nothing around it."""
    from django.db import connection

    from curation.search.filters import Filters

    chosen = Filters.read(query)
    records = chosen.records(dataset).defer(*CONTENT)
    records = records.filter(chosen.beyond(query["after"])) if "after" in query else records
    records = records.order_by(*chosen.order())
    sql, parameters = records[:51].query.sql_with_params()

    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            cursor.fetchall()

    return run


def figures(name: str, whole: Callable[[], None], statement: Callable[[], None]) -> list[Figure]:
    """Measure the page's wall and processor time; statement and page take turns, so that both meet the same load."""
    pages, floors = [], []
    whole()
    for _ in range(TIMES):
        floors.append(milliseconds(statement))
        pages.append(milliseconds(whole))
    reference = "bare SQL of this page"
    return [
        Figure(
            f"list, {name}, {label}", quantile([page[kind] for page in pages], share), "ms",
            f"{reference}, {label}", quantile([floor[kind] for floor in floors], share),
        )
        for label, kind, share in (("p50", 0, 0.5), ("p95", 0, 0.95), ("p50 of processor", 1, 0.5))
    ]  # fmt: skip


def milliseconds(call: Callable[[], None]) -> tuple[float, float]:
    """Return the milliseconds of a call by the wall, and of this process's processor."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - processor)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atelier.settings")
    workshop.open_installation()
    asked = every_kind(crowd.filled(int(sys.argv[1])), only=" ".join(sys.argv[2:]))
    print(f"load {os.getloadavg()[0]:.1f}; in ms: p50 and p95 by the wall, p50 and p95 of this process's processor")
    for wall, processor in zip(asked[::2], asked[1::2], strict=True):
        print(
            f"{wall.name.removesuffix(', p95'):75} {wall.reference_value:8.0f} {wall.value:8.0f}"
            f" {processor.reference_value:8.0f} {processor.value:8.0f}"
        )
