"""The job of an erasure. Every step can be repeated, and does only what is missing, so a killed one resumes.

The records are emptied first: whatever is frozen, exported or trained from then on no longer finds them.
"""

from atelier.jobs.claims import Claim, JobFailed
from curation.erasures import contents, copies, frozen, remains, requests, tally
from curation.models import ErasedRecord, Erasure, Record
from curation.versions.files import DamagedVersion

BATCH = 25  # records emptied in one transaction, with all that was written about them


def run(claim: Claim[Erasure]) -> None:
    """Erase everywhere what can be, and list what cannot. Raises JobFailed when a damaged file keeps a row."""
    job = claim.job
    if busy := requests.busy(job.dataset, job.roots):
        raise JobFailed(busy)
    claim.progress(line="Looking for what was made from the records")
    _plan(claim)
    copies.remove_imports(claim)
    _wipe(claim)
    # What began in between has read them: what it made by now goes too, and for what it has in hand a person retries.
    busy = requests.busy(job.dataset, job.roots)
    _plan(claim)
    copies.remove_imports(claim)
    _wipe(claim)
    claim.progress(line="Erasing rows of versions")
    copies.restart_readers(claim)
    copies.clear_leftovers(claim)
    problems = [busy] if busy else []
    problems += _rewrite(claim)
    copies.restart_exports(claim)
    frozen.clear(claim)
    claim.progress(line="Removing exports and imported files")
    copies.remove_exports(claim)
    copies.remove_imports(claim)
    for holder in remains.holders():
        try:
            holder.erase(claim)
        except JobFailed as error:  # the others do their part first; a resumed job does this one again
            problems.append(str(error))
    _conclude(claim, problems)


def _plan(claim: Claim[Erasure]) -> None:
    """Give every record its row, those made from the chosen ones included. A second request leaves out what has one."""
    job = claim.job
    chosen = set(job.roots)
    pks = [*job.roots, *requests.made_from(job.roots)]
    hashes = dict(Record.objects.filter(pk__in=pks).values_list("pk", "content_hash"))
    for at in range(0, len(pks), 500):
        rows = [
            ErasedRecord(erasure=job, record_id=pk, content_hash=hashes[pk], is_derived=pk not in chosen)
            for pk in pks[at : at + 500]
            if pk in hashes
        ]
        with claim.writing():
            ErasedRecord.objects.bulk_create(rows, ignore_conflicts=True)
    claim.update(total=job.records.count())


def _wipe(claim: Claim[Erasure]) -> None:
    job = claim.job
    waiting = job.records.filter(wiped_at=None).order_by("pk")
    while rows := list(waiting[:BATCH]):
        with claim.writing(done=job.done + len(rows)):
            tally.add(claim, **contents.wipe(rows))
        claim.obey()


def _rewrite(claim: Claim[Erasure]) -> list[str]:
    """Erase the rows of all versions. Returns a sentence for each that could not be rewritten."""
    problems: list[str] = []
    for version in frozen.versions(claim.job):
        claim.progress(line=f"Erasing rows of {version}")
        try:
            frozen.rewrite(claim, version)
        except DamagedVersion as error:
            problems += error.messages
    return problems


def _conclude(claim: Claim[Erasure], problems: list[str]) -> None:
    job = claim.job
    stays = [*frozen.remains(job), *copies.remains(job)]
    for holder in remains.holders():
        stays += holder.remains(job)
    derived = job.records.filter(is_derived=True).count()
    made = f" and {derived:,} made from them" if derived else ""
    chosen = job.records.count() - derived
    left = f"; {len(stays):,} thing{' stays' if len(stays) == 1 else 's stay'}, listed below" if stays else ""
    line = f"{chosen:,} record{'' if chosen == 1 else 's'}{made} erased{left}."
    claim.update(stays=[remain.as_json() for remain in stays], line=line)
    if problems:
        raise JobFailed(" ".join(problems))
