"""Freezing: rows a second beside a bare select with orjson, the seconds of the whole, and how far memory grows.

A million has to be done within three minutes: `--records 1000000` makes them by SQL, `--rows 1000000` imports a file of 2.9 GB.
"""

import tempfile
from pathlib import Path

from tests.bench import crowd, exports, workshop
from tests.bench.figures import Clock, Figure, memory, rates
from tests.bench.workshop import Options

LIMIT_SECONDS = 180.0  # for a million rows; the reference is the share of it that falls to the rows measured
WARM = 1000  # rows of a first freeze, after which memory holds what every freeze needs: modules, tokenizer, connection


def measure(options: Options) -> list[Figure]:
    workshop.open_installation()
    workshop.take_models(options)
    from curation import tasks
    from curation.versions import diff as version_diff
    from curation.versions import freezes

    dataset = crowd.filled(options.records) if options.records else workshop.filled(options)
    rows = options.records or options.rows
    first = dataset.records.order_by("pk").values_list("pk", flat=True)[:WARM]
    warm = freezes.create(dataset, None, filters={"ids": list(first)}, shares=exports.SHARES, allow_leaks=True)
    tasks.freeze(warm.pk)
    workshop.finished(warm)
    before = memory("VmHWM")
    version = freezes.create(dataset, None, filters={}, shares=exports.SHARES, allow_leaks=True)
    with Clock() as freezing:
        tasks.freeze(version.pk)
    workshop.finished(version)
    grown = memory("VmHWM") - before
    version.refresh_from_db()
    warm.refresh_from_db()
    with Clock() as compared:
        diff = version_diff.between(warm, version)
    if diff.counts["added"] != rows - WARM:
        raise RuntimeError(f"The diff counts {diff.counts}.")
    with tempfile.TemporaryDirectory() as folder, Clock() as bare:
        exports.select(dataset, Path(folder) / "rows.jsonl")
    share = rows / 1_000_000
    return [
        *rates("freeze alone", rows, freezing, exports.REFERENCE, bare),
        Figure("freeze, in all", freezing.wall, "s", "three minutes a million rows", LIMIT_SECONDS * share),
        Figure(
            "freeze, memory above the start", grown, "MiB", "flat: 16 bytes a row and 50 MiB", 50 + 16 * share * 0.954
        ),
        Figure("diff, first look", compared.wall, "s", "the freeze", freezing.wall),
    ]
