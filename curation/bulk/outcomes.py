"""The outcome of a bulk action, as a sentence."""

from curation.models import BulkAction
from curation.records.spans import aside_words

Action = BulkAction.Action
DONE = {
    Action.ACCEPT: "accepted",
    Action.REJECT: "rejected",
    Action.SKIP: "skipped",
    Action.REOPEN: "returned to “To review”",
    Action.DELETE: "deleted",
    Action.SPLIT: "moved to another split",
    Action.LABEL: "labelled",
    Action.UNLABEL: "unlabelled",
    Action.ASSIGN: "assigned",
    Action.REPLACE: "changed",
    Action.MASK: "masked",
    Action.FIX: "fixed",
    Action.COPY: "copied",
    Action.KEY: "changed",
}
SAME = {  # of one record, of several
    Action.UNLABEL: ("does not have the label", "do not have the label"),
    Action.REPLACE: ("does not contain the text", "do not contain the text"),
    Action.MASK: ("has nothing to mask", "have nothing to mask"),
    Action.FIX: ("has nothing to fix", "have nothing to fix"),
    Action.KEY: ("does not have the key", "do not have the key"),
    Action.COPY: ("was already there", "were already there"),
}


def outcome(job: BulkAction) -> str:
    """Describe what a bulk action did, or has done so far."""
    noun = "record" if job.changed == 1 else "records"
    if job.action == Action.UNDO:
        kept = "skipped because it was" if job.left == 1 else "skipped because they were"
        left = f"; {job.left:,} {kept} changed since" if job.left else ""
        is_of_copies = job.undoes is not None and job.undoes.action == Action.COPY
        return f"{job.changed:,} {noun} {'removed again' if is_of_copies else 'restored'}{left}." + aside_words(
            job.spans_aside
        )
    sentence = f"{job.changed:,} {noun} {DONE[Action(job.action)]}"
    same = job.done - job.changed - job.left
    if same and job.action != Action.SPLIT:
        done = DONE[Action(job.action)]
        one, many = SAME.get(Action(job.action), (f"was already {done}", f"were already {done}"))
        sentence += f"; {same:,} {one if same == 1 else many}"
    if job.left:
        sentence += f"; {job.left:,} could not be changed; see the reasons below"
    return sentence + "." + aside_words(job.spans_aside)
