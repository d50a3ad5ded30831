"""Pages of training: who may see and do what, the form, the run's live parts."""

import json

import pytest
from django.urls import reverse

from atelier.jobs.models import Status
from tests.training.conftest import SLUG
from training.forms import runs
from training.models import Pull, Run
from training.runs import control

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def nothing_is_sent(monkeypatch):
    """Keep workers from taking what these pages queue."""
    monkeypatch.setattr("atelier.jobs.queue.send", lambda model, pk: True)


def url(name: str, project, *args) -> str:
    return reverse(f"training:{name}", args=[project.pk, *args])


def reads(project, run: Run, pull: Pull) -> list[str]:
    of_run = [url(name, project, run.pk) for name in ("run", "run_progress", "run_log", "run_chart", "run_metrics")]
    return [url("runs", project), *of_run, url("pull", project, pull.pk)]


def writes(project, run: Run, pull: Pull) -> list[str]:
    moves = [url("run_move", project, run.pk, move) for move in ("cancel", "pause", "resume", "stop")]
    pulls = [url("pull_move", project, pull.pk, move) for move in ("cancel", "resume")]
    return [url("new_run", project), url("start_pull", project), *moves, *pulls]


@pytest.fixture
def pull(project) -> Pull:
    return Pull.objects.create(project=project, slug=SLUG)


@pytest.fixture
def trained(run) -> Run:
    """A run with figures and a log, as a trainer leaves them."""
    run.folder.mkdir(parents=True)
    lines = [
        {"step": n, "loss": 2 / n, "eval_loss": 1.5 if n == 2 else None, "tokens_per_s": 90.0, "seconds": n}
        for n in (1, 2)
    ]
    (run.folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run.folder / "train.log").write_text("step 1/2: <script>alert(1)</script>\n")
    Run.objects.filter(pk=run.pk).update(
        status=Status.RUNNING, done=2, total=9, summary={"loss": 1.0, "tokens_per_s": 90.0, "notes": ["<b>aside</b>"]}
    )
    run.refresh_from_db()
    return run


def test_charlie_sees_none_of_it(project, trained, pull, as_charlie):
    for path in [*reads(project, trained, pull), url("new_run", project)]:
        assert as_charlie.get(path).status_code == 404, path
    for path in writes(project, trained, pull):
        assert as_charlie.post(path).status_code == 404, path


def test_vic_may_look_but_not_touch(project, trained, pull, as_vic):
    for path in reads(project, trained, pull):
        assert as_vic.get(path).status_code == 200, path
    for path in writes(project, trained, pull):
        assert as_vic.post(path).status_code == 403, path
    assert as_vic.get(url("new_run", project)).status_code == 403
    assert b"Stop and save" not in as_vic.get(url("run", project, trained.pk)).content


def test_ann_may_not_train(project, trained, pull, as_ann):
    for path in writes(project, trained, pull):
        assert as_ann.post(path).status_code == 403, path


def test_a_run_of_another_project_is_not_found_here(team, trained, as_bob):
    other = team.projects.create(name="Other")
    assert as_bob.get(url("run", other, trained.pk)).status_code == 404
    assert as_bob.post(url("run_move", other, trained.pk, "cancel")).status_code == 404


def test_the_empty_page_says_what_to_do_first(project, as_bob):
    page = as_bob.get(url("runs", project)).content.decode()
    assert "Freeze a version first" in page
    assert "Freeze a version first" in as_bob.get(url("new_run", project)).content.decode()


def test_with_a_version_the_empty_page_offers_to_train_on_it(project, version, as_bob):
    page = as_bob.get(url("runs", project)).content.decode()
    assert f"{url('new_run', project)}?version={version.pk}" in page


def test_one_button_trains_with_the_fitting_recipe(project, version, bob, as_bob):
    answer = as_bob.post(url("new_run", project), {"version": version.pk, "base": SLUG})
    run = Run.objects.get()
    assert answer.url == url("run", project, run.pk)
    assert run.recipe == control.fitting(SLUG).to_dict()
    assert (run.created_by, run.status) == (bob, Status.QUEUED)


def test_the_whole_form_sent_back_unchanged_is_the_same_recipe(project, version, as_bob):
    shown = control.fitting(SLUG)
    form = runs.RunForm(project=project, shown=shown)
    sent = {name: form[name].initial for name in form.fields if form[name].initial not in (None, False)}
    as_bob.post(url("new_run", project), {**sent, "version": version.pk})
    assert Run.objects.get().recipe == shown.to_dict()


def test_changed_fields_are_kept_and_the_base_can_change_beside_them(project, version, as_bob):
    shown = control.fitting(SLUG)
    form = runs.RunForm(project=project, shown=shown)
    sent = {name: form[name].initial for name in form.fields if form[name].initial not in (None, False)}
    changed = {**sent, "version": version.pk, "rank": 4, "epochs": 1.5, "base": "mistral-7b-instruct-v0-3"}
    as_bob.post(url("new_run", project), changed)
    recipe = Run.objects.get().recipe
    fitted = control.fitting("mistral-7b-instruct-v0-3").to_dict()
    differs = {"rank": 4, "epochs": 1.5}
    assert recipe == {**fitted, **differs}


def test_a_bad_field_comes_back_with_a_sentence(project, version, as_bob):
    answer = as_bob.post(url("new_run", project), {"version": version.pk, "base": SLUG, "rank": 1000})
    assert answer.status_code == 422
    assert "less than or equal to 64" in answer.content.decode()
    assert not Run.objects.exists()


def test_training_like_another_run_starts_from_its_recipe(project, run, as_bob):
    page = as_bob.get(url("new_run", project) + f"?like={run.pk}")
    assert page.context["form"]["rank"].value() == 4


def test_an_unknown_base_is_not_found(project, version, as_bob):
    assert as_bob.get(url("new_run", project) + "?base=../../etc").status_code == 404


def test_choosing_a_base_renews_the_recipe_alone(project, version, as_bob):
    answer = as_bob.get(url("new_run", project) + "?base=mistral-7b-instruct-v0-3", headers=HTMX)
    text = answer.content.decode()
    assert "Mistral 7B" in text
    assert "<html" not in text


def test_the_live_part_polls_while_it_runs_and_stops_after(project, trained, as_bob):
    live = as_bob.get(url("run_progress", project, trained.pk), headers=HTMX)
    assert live.status_code == 200
    assert b"every 1s" in live.content
    Run.objects.update(status=Status.DONE)
    over = as_bob.get(url("run_progress", project, trained.pk), headers=HTMX)
    assert over.status_code == 286
    assert b"every 1s" not in over.content
    assert b'hx-swap-oob="true"' in over.content


def test_what_the_trainer_wrote_is_shown_as_text(project, trained, as_bob):
    page = as_bob.get(url("run", project, trained.pk)).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "<b>aside" not in page


def test_an_unchanged_log_is_not_sent_again(project, trained, as_bob):
    first = as_bob.get(url("run_log", project, trained.pk), headers=HTMX)
    mark = first.context["log_mark"]
    again = as_bob.get(url("run_log", project, trained.pk) + f"?mark={mark}", headers=HTMX)
    assert (first.status_code, again.status_code) == (200, 204)


def test_the_chart_has_both_losses(project, trained, as_bob):
    found = as_bob.get(url("run_chart", project, trained.pk)).json()
    assert found["series"][0]["points"] == [[1, 2.0], [2, 1.0]]
    assert found["series"][1]["points"] == [[2, 1.5]]
    assert found["done"] is False


def test_the_figures_can_be_downloaded(project, trained, as_bob):
    answer = as_bob.get(url("run_metrics", project, trained.pk))
    assert "attachment" in answer["Content-Disposition"]
    assert len(b"".join(answer.streaming_content).splitlines()) == 2


def test_the_moves_ask_the_run(project, trained, as_bob):
    as_bob.post(url("run_move", project, trained.pk, "stop"))
    trained.refresh_from_db()
    assert trained.stop_wanted
    as_bob.post(url("run_move", project, trained.pk, "cancel"), headers=HTMX)
    trained.refresh_from_db()
    assert trained.cancel_wanted
    Run.objects.update(status=Status.CANCELLED)
    as_bob.post(url("run_move", project, trained.pk, "resume"))
    trained.refresh_from_db()
    assert (trained.status, trained.stop_wanted, trained.cancel_wanted) == (Status.QUEUED, False, False)


def test_the_last_steps_are_a_table_without_scripts(project, trained, as_bob):
    Run.objects.update(status=Status.DONE)
    page = as_bob.get(url("run", project, trained.pk)).content.decode()
    assert "<noscript>" in page
    assert "1.5000" in page


def test_fetching_a_base_twice_is_one_job(project, as_bob):
    first = as_bob.post(url("start_pull", project), {"base": SLUG})
    second = as_bob.post(url("start_pull", project), {"base": SLUG})
    assert first.url == second.url
    assert Pull.objects.count() == 1


def test_fetching_an_unknown_base_says_what_there_is(project, as_bob):
    answer = as_bob.post(url("start_pull", project), {"base": "gpt"}, follow=True)
    assert "No base is called" in answer.content.decode()


def test_the_home_page_offers_to_train(project, version, as_bob):
    assert "Train on Rewrites v1" in as_bob.get(reverse("project", args=[project.pk])).content.decode()
