"""The scores of an evaluation, counted from its ledger, and the table that pages and terminals show of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from inference.models import Evaluation, EvaluationAnswer
from inference.scoring import RuleSet, stats

LARGE = 500  # rows from which fewer resamples give the same interval
FEW_RESAMPLES = 400


@dataclass(frozen=True)
class Judged:
    """What scoring needs of one answer."""

    row: int
    verdicts: dict[str, bool]
    chrf: float | None
    words: int
    tokens: int
    seconds: float

    def keeps(self, ids: Iterable[str]) -> bool:
        return all(self.verdicts.get(rule, False) for rule in ids)


Measure = Callable[[Judged], float | None]


def count(evaluation: Evaluation, rules: RuleSet | None) -> dict[str, Any]:
    """{"rules": [...], "groups": [...], "endpoints": {id: figures}}, each compared with the first entrant."""
    judged: dict[int, list[Judged]] = {entrant["id"]: [] for entrant in evaluation.entrants}
    ledger = evaluation.answers.filter(outcome=EvaluationAnswer.Outcome.OK).order_by("endpoint_id", "row")
    for answer in ledger.defer("prompt", "reference").iterator(chunk_size=500):
        verdicts = {verdict["rule"]: verdict["ok"] for verdict in answer.verdicts}
        judged[answer.endpoint_id].append(
            Judged(
                answer.row, verdicts, answer.chrf, len(answer.text.split()), answer.completion_tokens, answer.seconds
            )
        )
    measures = _measures(rules)
    first = judged[evaluation.entrants[0]["id"]]
    figures = {}
    for pk, answers in judged.items():
        figures[str(pk)] = _figures(answers, measures)
        figures[str(pk)]["failed"] = evaluation.answers.filter(
            endpoint_id=pk, outcome=EvaluationAnswer.Outcome.FAILED
        ).count()
        if answers is not first:
            figures[str(pk)]["against_first"] = {
                name: _difference(first, answers, measure) for name, measure in measures.items()
            }
    listed = rules.rules if rules else ()
    return {
        "rules": [{"id": rule.id, "title": rule.title, "group": rule.group} for rule in listed],
        "groups": sorted({rule.group for rule in listed if rule.group}),
        "endpoints": figures,
    }


def _measures(rules: RuleSet | None) -> dict[str, Measure]:
    """What is measured on each answer: "every", "group:…", "rule:…" are kept or not; "chrf" and "words" are numbers."""

    def keeping(ids: frozenset[str]) -> Measure:
        return lambda judged: float(judged.keeps(ids))

    found: dict[str, Measure] = {}
    if rules:
        found["every"] = keeping(frozenset(rule.id for rule in rules.rules))
        for group in sorted({rule.group for rule in rules.rules if rule.group}):
            found[f"group:{group}"] = keeping(rules.group(group))
        for rule in rules.rules:
            found[f"rule:{rule.id}"] = keeping(frozenset({rule.id}))
    found["chrf"] = lambda judged: judged.chrf
    found["words"] = lambda judged: float(judged.words)
    return found


def _figures(answers: Sequence[Judged], measures: dict[str, Measure]) -> dict[str, Any]:
    figures: dict[str, Any] = {"answered": len(answers)}
    for name, measure in measures.items():
        values = [value for judged in answers if (value := measure(judged)) is not None]
        if not values:
            figures[name] = None
        elif _is_share(name):
            figures[name] = asdict(stats.wilson(int(sum(values)), len(values))) | {
                "kept": int(sum(values)),
                "of": len(values),
            }
        else:
            figures[name] = asdict(stats.bootstrap_mean(values, resamples=_resamples(values)))
    seconds = [judged.seconds for judged in answers]
    tokens = sum(judged.tokens for judged in answers)
    figures["tokens_per_second"] = tokens / sum(seconds) if tokens and sum(seconds) else None
    figures["tokens"] = fmean(judged.tokens for judged in answers) if tokens else None
    figures["latency_p50"] = stats.percentile(seconds, 50) if seconds else None
    figures["latency_p95"] = stats.percentile(seconds, 95) if seconds else None
    return figures


def _is_share(name: str) -> bool:
    return name == "every" or name.startswith(("group:", "rule:"))


def _resamples(values: Sequence[float]) -> int:
    return FEW_RESAMPLES if len(values) > LARGE else stats.RESAMPLES


def _difference(first: Sequence[Judged], other: Sequence[Judged], measure: Measure) -> dict[str, Any] | None:
    """Other minus first over the rows that both answered; clear when the interval leaves 0 out."""
    theirs = {judged.row: measure(judged) for judged in other}
    pairs = [
        (left, right)
        for judged in first
        if (left := measure(judged)) is not None and (right := theirs.get(judged.row)) is not None
    ]
    if not pairs:
        return None
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = stats.paired_difference(left, right, resamples=_resamples(left))
    return asdict(found) | {"clear": found.low > 0 or found.high < 0, "rows": len(pairs)}


# --- the table -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """One endpoint's figure as it is written; `share` 0 to 1 draws a bar, `tone` says whether a gain is good."""

    text: str
    name: str = ""
    interval: str = ""
    share: float | None = None
    gain: str = ""
    clear: bool = False
    tone: str = ""
    best: bool = False


@dataclass(frozen=True)
class Line:
    """One measure over all endpoints. `rule` is the id when failing rows can be looked at."""

    key: str
    label: str
    cells: list[Cell]
    rule: str = ""
    note: str = ""

    @property
    def breaks(self) -> bool:
        """Whether some answer breaks the rule."""
        return any(cell.share is not None and cell.share < 1 for cell in self.cells)


def table(evaluation: Evaluation) -> list[Line]:
    """The table of scores, the first entrant first; empty before the scores are counted."""
    found = evaluation.scores
    if not found.get("endpoints"):
        return []
    shares = [("every", "Keeps every rule", "")] if found["rules"] else []
    shares += [(f"group:{group}", f"Right {group}", "") for group in found["groups"]]
    shares += [(f"rule:{rule['id']}", rule["title"], rule["id"]) for rule in found["rules"]]
    columns = [found["endpoints"][str(entrant["id"])] for entrant in evaluation.entrants]
    lines = [Line(key, label, _cells(columns, key, _share_cell), rule) for key, label, rule in shares]
    if any(column.get("chrf") for column in columns):
        lines.append(
            Line("chrf", "chrF", _cells(columns, "chrf", _number_cell), note="likeness to the reference, 0 to 100")
        )
    lines.append(Line("words", "Words", _plain(columns, "words"), note="mean length of an answer"))
    lines.append(
        Line("tokens_per_second", "Tokens/s", _simple(columns, "tokens_per_second", "{:.1f}"), note="of one answer")
    )
    lines.append(Line("latency_p50", "Latency, median", _simple(columns, "latency_p50", "{:.2f} s")))
    lines.append(Line("latency_p95", "Latency, 95th percentile", _simple(columns, "latency_p95", "{:.2f} s")))
    names = [entrant["name"] for entrant in evaluation.entrants]
    return [
        replace(line, cells=[replace(cell, name=name) for cell, name in zip(line.cells, names, strict=True)])
        for line in lines
    ]


def _cells(columns: list[dict[str, Any]], key: str, cell: Callable[..., Cell]) -> list[Cell]:
    values = [column[key]["value"] for column in columns if column.get(key)]
    top = max(values, default=None)
    several = len(values) > 1 and min(values) != top
    return [
        cell(column[key], (column.get("against_first") or {}).get(key), several and column[key]["value"] == top)
        if column.get(key)
        else Cell("none answered")
        for column in columns
    ]


def _tone(difference: dict[str, Any] | None) -> str:
    if not difference or not difference["clear"]:
        return ""
    return "ok" if difference["value"] > 0 else "bad"


def _share_cell(figure: dict[str, Any], difference: dict[str, Any] | None, best: bool) -> Cell:
    gain = f"{100 * difference['value']:+.0f} points".replace("-", "−") if difference else ""
    return Cell(
        f"{100 * figure['value']:.0f}%",
        "",
        f"{figure['kept']} of {figure['of']}; {100 * figure['low']:.0f} to {100 * figure['high']:.0f}%",
        figure["value"],
        gain,
        bool(difference and difference["clear"]),
        _tone(difference),
        best,
    )


def _number_cell(figure: dict[str, Any], difference: dict[str, Any] | None, best: bool) -> Cell:
    gain = f"{difference['value']:+.1f}".replace("-", "−") if difference else ""
    return Cell(
        f"{figure['value']:.1f}",
        "",
        f"{figure['low']:.1f} to {figure['high']:.1f}",
        figure["value"] / 100,
        gain,
        bool(difference and difference["clear"]),
        _tone(difference),
        best,
    )


def _plain(columns: list[dict[str, Any]], key: str) -> list[Cell]:
    return [
        Cell(f"{column[key]['value']:.0f}", "", f"{column[key]['low']:.0f} to {column[key]['high']:.0f}")
        if column.get(key)
        else Cell("–")
        for column in columns
    ]


def _simple(columns: list[dict[str, Any]], key: str, form: str) -> list[Cell]:
    return [Cell(form.format(column[key]) if column.get(key) is not None else "–") for column in columns]


def headline(evaluation: Evaluation) -> list[tuple[str, str]]:
    """For lists: each entrant's name with its one figure that says most."""
    found = evaluation.scores.get("endpoints", {})
    lines = []
    for entrant in evaluation.entrants:
        figures = found.get(str(entrant["id"]), {})
        if every := figures.get("every"):
            lines.append((entrant["name"], f"{100 * every['value']:.0f}% keep every rule"))
        elif chrf := figures.get("chrf"):
            lines.append((entrant["name"], f"chrF {chrf['value']:.1f}"))
        else:
            lines.append((entrant["name"], ""))
    return lines
