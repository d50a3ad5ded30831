"""Templates that take all time and memory there are: refused before the start, told in the ledger, and never in our way."""

import threading
import time

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.urls import reverse

from curation import tasks
from curation.distillation import drafts, previews, prompts
from curation.distillation.templates import LIMITS, PromptError, PromptTooCostly, Template
from curation.models import Dataset, Distillation, Generation, Record
from curation.records import derived
from inference import endpoints
from tests.curation.teacher import documents, endpoint, started, teacher_server
from tests.memory import peak_memory
from tests.speed import patient

pytestmark = pytest.mark.django_db
MB = 1 << 20
LOOP = "{% for a in text %}{% for b in text %}{% endfor %}{% endfor %}x"
DOUBLED = "{% set a = text %}" + "{% set a = a ~ a %}" * 28 + "{{ a|length }}"
ATTACKS = {
    "a loop in a loop over a text": LOOP,
    "a text doubled by ~": DOUBLED,
    "a text doubled by +": DOUBLED.replace("~", "+"),
    "a list doubled": "{% set a = [text] %}" + "{% set a = a + a %}" * 30 + "{{ a|length }}",
    "a text as a list, sorted, joined, doubled": "{% set a = text|list %}" + "{% set a = a + a %}" * 12 + "{{ a|sort|length }}",
    "a number of a thousand million digits": "{{ number|round(1000000000, 'ceil') }}",
    "all of it put out": "{% for a in text %}{% for b in text %}{{ text }}{% endfor %}{% endfor %}",
    "a text within a list within a list": "{% set a = [text] %}" + "{% set a = [a, a] %}" * 60 + "{{ a|string|length }}",
}  # fmt: skip
SMALL = {"text": "short", "number": 1}


@pytest.mark.parametrize("template", ATTACKS.values(), ids=ATTACKS)
def test_a_record_whose_prompt_takes_too_much_says_so_and_the_next_one_is_written(template: str) -> None:
    began = time.process_time()
    with peak_memory() as peak, Template(template + "{{ text|length }}") as made:
        attacked = next(made.render_all([{"text": "x" * 100_000, "number": 2.5}]))
        assert isinstance(attacked, PromptError)
        assert str(attacked).endswith(".")
        # That process is gone, and the template with it: a fresh one fills in another, with the same limits.
        assert isinstance(next(made.render_all([SMALL])), str | PromptTooCostly)
    assert peak.grown < 30 * MB
    assert time.process_time() - began < patient(2)  # ours; the child's is its own


def test_a_constant_that_takes_for_ever_is_refused_while_the_template_is_read() -> None:
    with pytest.raises(PromptTooCostly, match="takes more than"):
        Template("{{ 2.5|round(1000000000, 'ceil') }}")


def test_a_template_of_brackets_alone_is_refused_with_a_sentence() -> None:
    for text in ("{{ " + "(" * 6000 + "1" + ")" * 6000 + " }}", "{{ " + "-" * 9000 + "1 }}", "{" * 19_000):
        with pytest.raises(PromptError, match=r"The template cannot be used|template"):
            Template(text)


def test_honest_prompts_are_written_far_quicker_than_a_teacher_answers() -> None:
    records = [{"text": f"Brief number {number} " + "lorem ipsum " * 80, "tags": ["a", "b"]} for number in range(3000)]
    with Template("Rewrite {{ text }}{% for tag in tags %} {{ tag }}{% endfor %}") as made:
        began = time.monotonic()
        assert sum("Brief number" in str(prompt) for prompt in made.render_all(records)) == 3000
        assert time.monotonic() - began < patient(3), "a thousand a second; a distillation answers some 200"


def long_documents(project, lengths: list[int]) -> Dataset:
    source = documents(project, 0)
    made = [Record(dataset=source, fields={"text": "y" * n}, key=f"{i}") for i, n in enumerate(lengths)]
    Record.objects.bulk_create([derived.complete(record, source, texts=False) for record in made])
    return source


def test_one_costly_record_fails_in_the_ledger_and_the_others_are_answered(project) -> None:
    source = long_documents(project, [10, 100_000, 10, 10])
    with teacher_server() as server:
        job = drafts.start(
            drafts.draft(
                project, endpoint(project, server.url), dataset=source, target=Dataset(project=project, name="Answers"),
                template="{{ text }}", system_prompt="", student_prompt="", name="", filters={},
                sampling={"max_tokens": 100}, concurrency=4,
            ),
            None,
        )  # fmt: skip
        Distillation.objects.filter(pk=job.pk).update(template=LOOP)
        with peak_memory() as peak:
            tasks.distil(job.pk)
    job.refresh_from_db()
    assert (job.status, job.ok, job.failed) == ("done", 3, 1)
    assert "takes more than 1 second" in job.generations.get(outcome=Generation.Outcome.FAILED).reason
    assert peak.grown < 200 * MB  # with the libraries that the first call to a teacher loads


def test_a_template_that_takes_too_much_for_one_of_the_first_is_refused_at_the_start_and_in_the_preview(
    project,
) -> None:
    source = long_documents(project, [10, 100_000])
    with teacher_server() as server:
        teacher = endpoint(project, server.url)
        with pytest.raises(ValidationError, match="takes more than 1 second"):
            started(project, teacher, source, template=LOOP)
        job = drafts.draft(
            project, teacher, dataset=source, target=Dataset(project=project, name="Answers"), template=DOUBLED,
            system_prompt="", student_prompt="", name="", filters={}, sampling={}, concurrency=4,
        )  # fmt: skip
        with pytest.raises(ValidationError, match=r"needs more than 512 MB|takes more than 1 second"):
            previews.preview(job, endpoints.client_for(teacher))
        with pytest.raises(ValidationError, match=r"needs more than 512 MB|takes more than 1 second"):
            previews.estimate(job, [])
        assert server.calls == []
    assert not Distillation.objects.exists()


def test_many_records_that_each_take_nearly_a_second_are_not_all_tried(project, monkeypatch) -> None:
    monkeypatch.setattr(prompts, "TRIED_SECONDS", 0.5)
    source = long_documents(project, [1500] * 30)
    with pytest.raises(ValidationError, match="for a few records"):
        prompts.refuse_unfit(LOOP, list(source.records.all()))


def test_a_template_that_takes_too_much_every_time_ends_the_job(project, monkeypatch) -> None:
    monkeypatch.setattr("curation.distillation.attempt.COSTLY", 3)
    source = long_documents(project, [100_000] * 6)
    with teacher_server() as server:
        job = started(project, endpoint(project, server.url), source)
        Distillation.objects.filter(pk=job.pk).update(template=LOOP)
        tasks.distil(job.pk)
    job.refresh_from_db()
    assert job.status == "failed"
    assert "for 3 records in a row" in job.error
    assert job.generations.filter(outcome=Generation.Outcome.FAILED).count() == job.failed == 3
    assert job.generations.filter(outcome=Generation.Outcome.PENDING).count() == 3


def in_thread(work) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_cancel_is_heard_while_a_slow_template_is_rendered(project) -> None:
    source = long_documents(project, [100_000] * 60)
    with teacher_server() as server:
        job = started(project, endpoint(project, server.url), source)
        Distillation.objects.filter(pk=job.pk).update(template=LOOP)
        thread = in_thread(lambda: tasks.distil(job.pk))
        time.sleep(3)
        began = time.monotonic()
        job.refresh_from_db()
        assert job.status == "running"
        job.cancel()
        thread.join(30)
        taken = time.monotonic() - began
    job.refresh_from_db()
    assert job.status == "cancelled"
    assert taken < patient(2)


@pytest.mark.django_db(transaction=True)
def test_pages_are_answered_while_a_template_takes_its_time(project, as_bob) -> None:
    source = long_documents(project, [100_000])
    with teacher_server() as server:
        teacher, answers = endpoint(project, server.url), []
        form = {
            "dataset": source.pk, "teacher": teacher.pk, "template": LOOP, "unanswered": "on", "temperature": "0.3",
            "top_p": "1", "max_tokens": "100", "concurrency": "4", "student_prompt": "Short.", "do": "preview",
        }  # fmt: skip
        thread = in_thread(
            lambda: answers.append(as_bob.post(reverse("curation:new_distillation", args=[project.pk]), form))
        )
        longest = 0.0
        while thread.is_alive():
            began = time.monotonic()
            prompts.columns_in(source)
            longest = max(longest, time.monotonic() - began)
            time.sleep(0.05)
    assert answers[0].status_code == 422
    assert "takes more than 1 second" in answers[0].content.decode()
    assert longest < patient(1)


def test_limits_are_those_that_the_sentences_name() -> None:
    assert (LIMITS.seconds, LIMITS.memory) == (1.0, 512 << 20)
