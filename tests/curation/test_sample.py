"""The sample project's files belong together."""

import json
from pathlib import Path

import curation
from curation.formats import read, sniff, suggest
from curation.scoring import rules

SAMPLE = Path(curation.__file__).parent / "sample"


def test_the_briefs_are_documents_by_their_columns() -> None:
    source = sniff(SAMPLE / "briefs.csv")
    rows = [row.data or {} for row in read(SAMPLE / "briefs.csv", source)]
    mapping, _ = suggest(source.columns, rows)
    assert (len(rows), mapping.kind, mapping.fields, mapping.metadata, mapping.key) == (
        144, "documents", ["text"], ["topic"], "id",
    )  # fmt: skip
    assert len({mapping.apply(row).content_hash for row in rows}) == 144


def test_every_brief_has_its_recorded_answer() -> None:
    briefs = {
        row.data["id"]: row.data["text"]
        for row in read(SAMPLE / "briefs.csv", sniff(SAMPLE / "briefs.csv"))
        if row.data
    }
    answers = [json.loads(line) for line in (SAMPLE / "answers.jsonl").read_text().splitlines()]
    assert {answer["id"]: answer["prompt"] for answer in answers} == briefs
    assert all(answer["answer"].strip() for answer in answers)


def test_the_answers_keep_the_guide_and_the_briefs_do_not() -> None:
    rule_set = rules.load_rules((SAMPLE / "rules.toml").read_text())
    answers = [json.loads(line) for line in (SAMPLE / "answers.jsonl").read_text().splitlines()]
    broken = {
        (answer["id"], verdict.rule_id): verdict.excerpt
        for answer in answers
        for verdict in rule_set.judge(answer["answer"])
        if not verdict.ok
    }
    assert broken == {}
    assert not any(rules.kept(rule_set.judge(answer["prompt"])) for answer in answers)
