"""Training's part in an erasure: the rows that runs were given are erased, and what has learned from them is named."""

import json
from collections.abc import Iterator
from pathlib import Path

from atelier.jobs.claims import Claim
from curation.erasures import remains, tally
from curation.erasures.remains import Holder, Remain
from curation.models import Erasure
from training import manifest
from training.models import Adapter, Run


def register() -> None:
    remains.register(Holder(erase, still))


def erase(claim: Claim[Erasure]) -> None:
    """Remove the erased rows from the folders of runs. A run at work has read them already, and `still` names it."""
    ids = _ids(claim.job)
    for run in _runs(claim.job):
        claim.obey()
        count = sum(_without(run.folder / name, ids) for name in ("train.jsonl", "validation.jsonl"))
        with claim.writing():
            tally.add(claim, rows_of_runs=count)


def _ids(erasure: Erasure) -> set[str]:
    """Return the ids that the erased rows have in frozen files."""
    return {row["id"] for rows in erasure.files.values_list("rows", flat=True) for row in rows}


def _runs(erasure: Erasure) -> Iterator[Run]:
    versions = erasure.files.values("version")
    yield from Run.objects.filter(version__in=versions).select_related("version").order_by("pk")


def _without(path: Path, ids: set[str]) -> int:
    """Write the file again without rows of these ids, as a whole or not at all. Returns how many there were."""
    if not path.is_file():
        return 0
    draft, count = path.with_name(f".{path.name}.erasing"), 0
    with path.open(encoding="utf-8") as rows, draft.open("w", encoding="utf-8") as out:
        for line in rows:
            if json.loads(line).get("id") in ids:
                count += 1
            else:
                out.write(line)
    if not count:
        draft.unlink()
        return 0
    manifest.sync(draft)
    draft.replace(path)
    return count


def still(erasure: Erasure) -> Iterator[Remain]:
    """Yield the adapters and checkpoints of runs that began before the rows were erased: weights cannot be made to forget."""
    adapters = {adapter.run_id: adapter for adapter in Adapter.objects.filter(run__in=list(_runs(erasure)))}
    erased_at = {row.version_id: row.at for row in erasure.files.all()}
    for run in _runs(erasure):
        adapter, folder = adapters.get(run.pk), run.folder
        if run.started_at is None or run.started_at > erased_at[run.version_id]:
            continue
        if adapter is not None and adapter.path.exists():
            why = (
                f"{run.title} trained it with the record. Train again without it, then archive it and remove its files."
            )
            yield Remain("Adapter", adapter.name, run.project_id, "training:run", run.pk, why)
        elif run.is_live:
            why = "it began with the record. Cancel it and start a new run to train without it."
            yield Remain("Run", run.title, run.project_id, "training:run", run.pk, why)
        elif (folder / "checkpoints").is_dir() and any((folder / "checkpoints").iterdir()):
            why = "its checkpoints were trained with the record. Remove them on its page."
            yield Remain("Run", run.title, run.project_id, "training:run", run.pk, why)
