"""What a bulk action did, as a sentence."""

from curation.models import BulkAction

Action = BulkAction.Action
DONE = {
    Action.ACCEPT: "accepted",
    Action.REJECT: "rejected",
    Action.SKIP: "skipped",
    Action.REOPEN: "put back to review",
    Action.DELETE: "deleted",
    Action.SPLIT: "changed sides",
    Action.LABEL: "labelled",
    Action.UNLABEL: "lost a label",
    Action.ASSIGN: "assigned",
    Action.REPLACE: "changed",
    Action.MASK: "masked",
    Action.MEND: "mended",
    Action.COPY: "copied",
}
SAME = {
    Action.UNLABEL: "did not have it",
    Action.REPLACE: "do not contain it",
    Action.MASK: "have nothing to mask",
    Action.MEND: "have nothing to mend",
    Action.COPY: "were there already",
}


def outcome(job: BulkAction) -> str:
    """Of a running action it says how far it is."""
    noun = "record" if job.changed == 1 else "records"
    if job.action == Action.UNDO:
        kept = "left as it is, for it was" if job.left == 1 else "left as they are, for they were"
        left = f"; {job.left:,} {kept} changed since" if job.left else ""
        is_of_copies = job.undoes is not None and job.undoes.action == Action.COPY
        return f"{job.changed:,} {noun} {'taken out again' if is_of_copies else 'put back'}{left}."
    sentence = f"{job.changed:,} {noun} {DONE[Action(job.action)]}"
    same = job.done - job.changed - job.left
    if same and job.action != Action.SPLIT:
        sentence += f"; {same:,} {SAME.get(Action(job.action), 'were so already')}"
    if job.left:
        sentence += f"; {job.left:,} could not be changed: see why below"
    return sentence + "."
