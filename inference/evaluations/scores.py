"""The scores of an evaluation, computed from its ledger, and the table that pages and terminals show of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from curation.scoring import RuleSet, statistics
from inference.models import Evaluation, EvaluationAnswer

MUCH_CUT = 0.02  # the share of cut answers from which the scores say more about the limit than about the model
TOO_FEW = "too few to tell"


@dataclass(frozen=True)
class ScoredAnswer:
    """The part of an answer that scoring needs."""

    row: int
    verdicts: dict[str, bool]
    chrf: float | None
    words: int
    tokens: int
    seconds: float
    is_cut: bool = False
    calls_right: bool | None = None
    flaw: str = ""

    def keeps(self, ids: Iterable[str]) -> bool:
        return all(self.verdicts.get(rule, False) for rule in ids)


Measure = Callable[[ScoredAnswer], float | None]


def count(evaluation: Evaluation, rules: RuleSet | None) -> dict[str, Any]:
    """Return {"rules": [...], "groups": [...], "endpoints": {id: figures}}, each compared with the first entrant."""
    judged: dict[int, list[ScoredAnswer]] = {entrant["id"]: [] for entrant in evaluation.entrants}
    ledger = evaluation.answers.filter(outcome=EvaluationAnswer.Outcome.OK).order_by("endpoint_id", "row")
    for answer in ledger.defer("prompt", "tools", "reference", "reference_calls").iterator(chunk_size=500):
        verdicts = {verdict["rule"]: verdict["ok"] for verdict in answer.verdicts}
        judged[answer.endpoint_id].append(
            ScoredAnswer(
                answer.row,
                verdicts,
                answer.chrf,
                len(answer.text.split()),
                answer.completion_tokens,
                answer.seconds,
                answer.is_cut,
                answer.calls_right,
                answer.flaw,
            )
        )
    has_calls = any(judged_one.calls_right is not None for answers in judged.values() for judged_one in answers)
    measures = measures_of(rules, has_calls)
    first = judged[evaluation.entrants[0]["id"]]
    figures = {}
    for pk, answers in judged.items():
        figures[str(pk)] = _figures(answers, measures)
        figures[str(pk)]["failed"] = evaluation.answers.filter(
            endpoint_id=pk, outcome=EvaluationAnswer.Outcome.FAILED
        ).count()
    others = [pk for pk, answers in judged.items() if answers is not first]
    for pk, differences in zip(others, compared(first, [judged[pk] for pk in others], measures), strict=True):
        figures[str(pk)]["against_first"] = differences
    listed = rules.rules if rules else ()
    return {
        "rules": [{"id": rule.id, "title": rule.title, "group": rule.group} for rule in listed],
        "groups": sorted({rule.group for rule in listed if rule.group}),
        "endpoints": figures,
    }


def measures_of(rules: RuleSet | None, has_calls: bool = False) -> dict[str, Measure]:
    """Return the measures of each answer: "every", "group:…", "rule:…", "calls" hold or not; "chrf" and "words" are numbers.

    A measure is None for an answer that it doesn't judge: rules where the reference is a call alone, calls in a row without
    tools.
    """

    def keeping(ids: frozenset[str]) -> Measure:
        return lambda judged: float(judged.keeps(ids)) if judged.verdicts else None

    measures: dict[str, Measure] = {}
    if rules:
        measures["every"] = keeping(frozenset(rule.id for rule in rules.rules))
        for group in sorted({rule.group for rule in rules.rules if rule.group}):
            measures[f"group:{group}"] = keeping(rules.group(group))
        for rule in rules.rules:
            measures[f"rule:{rule.id}"] = keeping(frozenset({rule.id}))
    if has_calls:
        measures["calls"] = lambda judged: None if judged.calls_right is None else float(judged.calls_right)
    measures["chrf"] = lambda judged: judged.chrf
    measures["words"] = lambda judged: float(judged.words)
    return measures


def _figures(answers: Sequence[ScoredAnswer], measures: dict[str, Measure]) -> dict[str, Any]:
    figures: dict[str, Any] = {"answered": len(answers), "cut": sum(judged.is_cut for judged in answers)}
    figures["flawed"] = sum(bool(judged.flaw) for judged in answers)
    for name, measure in measures.items():
        values = [value for judged in answers if (value := measure(judged)) is not None]
        if not values:
            figures[name] = None
        elif _is_share(name):
            figures[name] = asdict(statistics.wilson(int(sum(values)), len(values))) | {
                "kept": int(sum(values)),
                "of": len(values),
            }
        else:
            figures[name] = asdict(statistics.mean(values))
    seconds = [judged.seconds for judged in answers]
    tokens = sum(judged.tokens for judged in answers)
    figures["tokens_per_second"] = tokens / sum(seconds) if tokens and sum(seconds) else None
    figures["tokens"] = fmean(judged.tokens for judged in answers) if tokens else None
    figures["latency_p50"] = statistics.percentile(seconds, 50) if seconds else None
    figures["latency_p95"] = statistics.percentile(seconds, 95) if seconds else None
    return figures


def _is_share(name: str) -> bool:
    return name in ("every", "calls") or name.startswith(("group:", "rule:"))


def main_measure(measures: Iterable[str]) -> str:
    """Return the measure that a comparison is about, named beforehand: every rule, without rules the calls, else the chrF."""
    there = set(measures)
    return next(name for name in ("every", "calls", "chrf") if name in there)


def _difference(
    first: Sequence[ScoredAnswer], other: Sequence[ScoredAnswer], name: str, measure: Measure
) -> dict[str, Any] | None:
    """Return other minus first over the rows that both answered; None without such rows."""
    theirs = {judged.row: measure(judged) for judged in other}
    pairs = [
        (left, right)
        for judged in first
        if (left := measure(judged)) is not None and (right := theirs.get(judged.row)) is not None
    ]
    if not pairs:
        return None
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    if _is_share(name):
        found = statistics.paired_shares([value == 1 for value in left], [value == 1 for value in right])
    else:
        found = statistics.paired_means(left, right)
    return asdict(found) | {"too_few": len(pairs) < statistics.FEWEST_ROWS}


def compared(
    first: Sequence[ScoredAnswer], others: Sequence[Sequence[ScoredAnswer]], measures: dict[str, Measure]
) -> list[dict[str, Any]]:
    """Return the others' differences from the first by measure, and which are clear: wrongly in 1 of 20 evaluations at most.

    The main measure keeps half of that error, and all others share the other half.
    """
    columns = [
        {name: _difference(first, other, name, measure) for name, measure in measures.items()} for other in others
    ]
    main = main_measure(measures)
    tested, weights = [], []
    for name, found in (item for column in columns for item in column.items()):
        if found is None:
            continue
        found |= {"p_adjusted": 1.0, "clear": False}
        if not found["too_few"]:
            tested.append(found)
            weights.append((0.5 if name == main else 0.5 / (len(measures) - 1)) / len(columns))
    for found, p in zip(tested, statistics.adjusted([found["p"] for found in tested], weights), strict=True):
        found |= {"p_adjusted": p, "clear": p < statistics.ERROR}
    return columns


# --- the table -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """A cell of the score table: one endpoint's figure; `share` 0 to 1 draws a bar, `tone` states whether a gain is good.

    `certainty` states of a gain whether it is significant, or that there are too few rows to tell.
    """

    text: str
    name: str = ""
    interval: str = ""
    share: float | None = None
    gain: str = ""
    clear: bool = False
    certainty: str = ""
    tone: str = ""
    best: bool = False


@dataclass(frozen=True)
class ScoreLine:
    """A line of the score table: one measure over all endpoints. `rule` is the id when failing rows can be looked at."""

    key: str
    label: str
    cells: list[Cell]
    rule: str = ""
    note: str = ""

    @property
    def breaks(self) -> bool:
        """Return whether some answer breaks the rule."""
        return any(cell.share is not None and cell.share < 1 for cell in self.cells)


def table(evaluation: Evaluation) -> list[ScoreLine]:
    """Return the table of scores, the first entrant first; empty before the scores are computed."""
    scores = evaluation.scores
    if not scores.get("endpoints"):
        return []
    shares = [("every", "Follows every rule", "")] if scores["rules"] else []
    shares += [(f"group:{group}", f"Right {group}", "") for group in scores["groups"]]
    shares += [(f"rule:{rule['id']}", rule["title"], rule["id"]) for rule in scores["rules"]]
    columns = [scores["endpoints"][str(entrant["id"])] for entrant in evaluation.entrants]
    if any(column.get("calls") for column in columns):
        shares.append(("calls", "Right call", "calls:wrong"))
    lines = [ScoreLine(key, label, _cells(columns, key, _share_cell), rule) for key, label, rule in shares]
    if any(column.get("chrf") for column in columns):
        lines.append(
            ScoreLine(
                "chrf", "chrF", _cells(columns, "chrf", _number_cell), note="similarity to the reference, 0 to 100"
            )
        )
    lines.append(
        ScoreLine("cut", "Cut off", _cut(columns), note="answers that did not come to an end, scored as they are")
    )
    lines.append(
        ScoreLine("flawed", "Empty or refused", _flawed(columns), note="answers that say nothing; they follow no rule")
    )
    lines.append(ScoreLine("words", "Words", _plain(columns, "words"), note="mean length of an answer"))
    lines.append(
        ScoreLine("tokens_per_second", "Tokens/s", _simple(columns, "tokens_per_second", "{:.1f}"), note="per answer")
    )
    lines.append(ScoreLine("latency_p50", "Latency, median", _simple(columns, "latency_p50", "{:.2f} s")))
    lines.append(ScoreLine("latency_p95", "Latency, 95th percentile", _simple(columns, "latency_p95", "{:.2f} s")))
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
        else Cell("no answers")
        for column in columns
    ]


def _tone(difference: dict[str, Any] | None) -> str:
    if not _is_clear(difference):
        return ""
    return "ok" if difference and difference["value"] > 0 else "bad"


def _is_clear(difference: dict[str, Any] | None) -> bool:
    """Return whether a difference is significant. What was scored before the exact tests came has no p-value, and isn't."""
    return bool(difference and difference["clear"] and "p" in difference)


def _certainty(difference: dict[str, Any] | None) -> str:
    if difference and difference["rows"] < statistics.FEWEST_ROWS:
        return TOO_FEW
    return "significant" if _is_clear(difference) else ""


def _interval(figure: dict[str, Any], form: str) -> str:
    """Return the interval of a mean; empty for too few rows."""
    return "" if figure["low"] is None else f"{figure['low']:{form}} to {figure['high']:{form}}"


def _share_cell(figure: dict[str, Any], difference: dict[str, Any] | None, best: bool) -> Cell:
    gain = f"{100 * difference['value']:+.0f} points".replace("-", "−") if difference else ""
    return Cell(
        f"{100 * figure['value']:.0f}%",
        "",
        f"{figure['kept']} of {figure['of']}; {100 * figure['low']:.0f} to {100 * figure['high']:.0f}%",
        figure["value"],
        gain,
        _is_clear(difference),
        _certainty(difference),
        _tone(difference),
        best,
    )


def _number_cell(figure: dict[str, Any], difference: dict[str, Any] | None, best: bool) -> Cell:
    gain = f"{difference['value']:+.1f}".replace("-", "−") if difference else ""
    return Cell(
        f"{figure['value']:.1f}",
        "",
        _interval(figure, ".1f"),
        figure["value"] / 100,
        gain,
        _is_clear(difference),
        _certainty(difference),
        _tone(difference),
        best,
    )


def _plain(columns: list[dict[str, Any]], key: str) -> list[Cell]:
    return [
        Cell(f"{column[key]['value']:.0f}", "", _interval(column[key], ".0f")) if column.get(key) else Cell("–")
        for column in columns
    ]


def _cut(columns: list[dict[str, Any]]) -> list[Cell]:
    """Return the number of cut answers; "not counted" for scores from before it was."""
    return [
        Cell("not counted" if "cut" not in column else f"{column['cut']} of {column['answered']}") for column in columns
    ]


def _flawed(columns: list[dict[str, Any]]) -> list[Cell]:
    """Return the number of empty answers and refusals; "not counted" for scores from before it was."""
    return [
        Cell("not counted" if "flawed" not in column else f"{column['flawed']} of {column['answered']}")
        for column in columns
    ]


def warnings(evaluation: Evaluation) -> list[str]:
    """Return a sentence for each entrant of which more than 2% of the answers were cut off."""
    found = evaluation.scores.get("endpoints", {})
    lines = []
    for entrant in evaluation.entrants:
        figures = found.get(str(entrant["id"]), {})
        cut, answered = figures.get("cut", 0), figures.get("answered", 0)
        if cut > MUCH_CUT * answered:
            lines.append(
                f"{cut} of {answered} answers of {entrant['name']} were cut off before their end, so its scores are "
                f"those of partial answers. Evaluate again with more than {evaluation.sampling['max_tokens']} max tokens."
            )
    return lines


def _simple(columns: list[dict[str, Any]], key: str, form: str) -> list[Cell]:
    return [Cell(form.format(column[key]) if column.get(key) is not None else "–") for column in columns]


def headline(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return for lists each entrant's name with its most telling figure."""
    found = evaluation.scores.get("endpoints", {})
    lines = []
    for entrant in evaluation.entrants:
        figures = found.get(str(entrant["id"]), {})
        if every := figures.get("every"):
            lines.append((entrant["name"], f"{100 * every['value']:.0f}% follow every rule"))
        elif calls := figures.get("calls"):
            lines.append((entrant["name"], f"{100 * calls['value']:.0f}% right calls"))
        elif chrf := figures.get("chrf"):
            lines.append((entrant["name"], f"chrF {chrf['value']:.1f}"))
        else:
            lines.append((entrant["name"], ""))
    return lines
