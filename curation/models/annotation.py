"""The models of annotation: questions, suggestions of models, assignments, people's answers, comments, agreement reports."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from atelier.database.ranges import between
from atelier.jobs.models import Job, Move
from curation.models.datasets import Dataset
from curation.models.records import Record


class Question(models.Model):
    """A question that annotators answer about each record of a dataset."""

    class Kind(models.TextChoices):
        TEXT = "text", "Corrected text"
        LABEL = "label", "Single label"
        LABELS = "labels", "Multiple labels"
        RATING = "rating", "Rating"
        RANKING = "ranking", "Ranking of answers"
        SPANS = "spans", "Text spans"
        COMMENT = "comment", "Comment"

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="questions")
    name = models.SlugField(max_length=60)  # of the answer in exports and the API
    title = models.CharField(max_length=200)
    help = models.CharField(max_length=500, blank=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    # label, labels, spans: {"labels": [{"value", "text", "color"}]}; rating: {"low", "high"}; text, spans: {"piece": "…"}
    options = models.JSONField(default=dict)
    required = models.BooleanField(default=True)
    position = models.PositiveSmallIntegerField(default=0)
    idempotency_key = models.CharField(max_length=80, null=True, blank=True)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "name"], name="question_name_unique_in_dataset"),
            models.UniqueConstraint(fields=["dataset", "idempotency_key"], name="question_idempotent"),
        ]

    def __str__(self) -> str:
        return self.title


class Suggestion(models.Model):
    """An answer suggested by a model, with its score and source."""

    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="suggestions")
    question = models.ForeignKey(Question, on_delete=models.CASCADE, related_name="suggestions")
    value = models.JSONField()
    score = models.FloatField(null=True)  # 0 to 1
    source = models.CharField(max_length=120)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["record", "question", "source"], name="one_suggestion_a_source"),
            between("score", 0, 1),
        ]

    def __str__(self) -> str:
        return f"{self.question} by {self.source}"


class Queue(models.Model):
    """The annotation queue of a dataset: how many answer each record, what they see beside it, and how they are tested."""

    class Order(models.TextChoices):
        OLDEST = "oldest", "Oldest first"
        SHUFFLED = "shuffled", "Shuffled"

    dataset = models.OneToOneField(Dataset, on_delete=models.CASCADE, related_name="queue")
    is_open = models.BooleanField(default=True)
    overlap = models.PositiveSmallIntegerField(default=1)  # how many people answer each record, blind to each other
    guidelines = models.TextField(blank=True)  # Markdown; the project's when empty
    order = models.CharField(max_length=8, choices=Order.choices, default=Order.OLDEST)
    lock_minutes = models.PositiveSmallIntegerField(default=30)  # a record given and left alone goes back after these
    honeypot_rate = models.FloatField(default=0)  # share of tasks that are records with known answers
    assigned_only = models.BooleanField(default=False)  # people get only what was assigned to them
    tolerance = models.FloatField(default=1)  # texts and spans agree from this F1 on; 1: only when they are the same
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            between("overlap", 1, 20), between("lock_minutes", 1, 1440), between("honeypot_rate", 0, 0.5),
            between("tolerance", 0.5, 1),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"the queue of {self.dataset}"


class Task(models.Model):
    """A record in a queue: how many answers it needs and has. `given` counts open and submitted annotations."""

    class State(models.TextChoices):
        OPEN = "open", "Pending"
        DISPUTED = "disputed", "Disagreement"
        DONE = "done", "Done"

    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="tasks")
    record = models.OneToOneField(Record, on_delete=models.CASCADE, related_name="task")
    place = models.BigIntegerField(default=0)  # in the queue: the record's id, or a random number when shuffled
    wanted = models.PositiveSmallIntegerField(default=1)
    given = models.PositiveSmallIntegerField(default=0)
    submitted = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    known = models.JSONField(null=True)  # {question name: answer}: a honeypot
    answers = models.JSONField(default=dict)  # {question name: answer}: what stands, once it is settled
    settled_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    settled_note = models.CharField(max_length=500, blank=True)  # why it was decided so
    settled_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["queue", "state", "place", "id"], name="task_by_place"),
            models.Index(
                fields=["queue", "place", "id"], name="task_to_give",
                condition=models.Q(state="open", given__lt=models.F("wanted")),
            ),
            models.Index(fields=["queue", "id"], name="task_honeypots", condition=models.Q(known__isnull=False)),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"task of record {self.record_id}"


class Assignment(models.Model):
    """A record that one person is to answer.

    Assigned records come to them first, and only to them while the assignment lasts.
    """

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="assignments")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    assigned_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    done = models.BooleanField(default=False)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "user"], name="one_assignment_a_person")]
        indexes = [models.Index(fields=["user", "done", "task"], name="assignment_waiting")]

    def __str__(self) -> str:
        return f"{self.task} to {self.user}"


class Annotation(models.Model):
    """A person's answers to a record. An open one is a lock until `expires_at`, drafts included."""

    class State(models.TextChoices):
        OPEN = "open", "In progress"
        SUBMITTED = "submitted", "Submitted"
        SKIPPED = "skipped", "Skipped"
        EXPIRED = "expired", "Returned"  # the draft is kept, should the record come again

    class Review(models.TextChoices):
        NONE = "", "Not reviewed"
        ACCEPTED = "accepted", "Accepted"
        RETURNED = "returned", "Sent back"
        CORRECTED = "corrected", "Corrected"

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="annotations")
    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="annotations")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="annotations")
    author = models.CharField(max_length=150)  # the name as it was then
    state = models.CharField(max_length=9, choices=State.choices, default=State.OPEN)
    answers = models.JSONField(default=dict)  # {question name: answer}
    skip_reason = models.CharField(max_length=300, blank=True)
    seconds = models.FloatField(default=0)  # from seen to submitted, pauses of over five minutes left out
    record_revision = models.PositiveIntegerField(default=1)  # of the record that was answered
    source = models.CharField(max_length=120, blank=True)  # where it was imported from
    is_right = models.BooleanField(null=True)  # of a honeypot: whether it is what was known
    review = models.CharField(max_length=9, choices=Review.choices, default=Review.NONE, blank=True)
    reviewed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    review_note = models.CharField(max_length=1000, blank=True)
    reviewed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True)
    submitted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["task", "user"], name="one_annotation_a_person"),
            between("seconds", 0, 1e9),
        ]
        indexes = [
            models.Index(fields=["user", "state", "submitted_at"], name="annotation_by_person"),
            models.Index(fields=["expires_at"], name="annotation_locks", condition=models.Q(state="open")),
        ]

    def __str__(self) -> str:
        return f"{self.author} on record {self.record_id}: {self.state}"


class SpanTrail(models.Model):
    """The spans of one answer since its text has changed: as they were marked, and those that lost their words.

    `marked` is put back when the text is again what it was, as after an undo.
    """

    class Holder(models.TextChoices):
        ANNOTATION = "annotation", "Answer"
        FINAL = "final", "Final answer"
        KNOWN = "known", "Known answer"
        SUGGESTION = "suggestion", "Suggestion"

    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="span_trails")
    question = models.ForeignKey(Question, on_delete=models.CASCADE, related_name="+", db_index=False)
    holder = models.CharField(max_length=10, choices=Holder.choices)
    annotation = models.ForeignKey(Annotation, on_delete=models.CASCADE, null=True, related_name="span_trails")
    # Of a suggestion, which is deleted when it has lost all its spans: its source and score.
    source = models.CharField(max_length=120, blank=True)
    score = models.FloatField(null=True)
    text_hash = models.CharField(max_length=64, blank=True)  # of the text that `marked` was marked in
    marked = models.JSONField(default=list)  # [{"start", "end", "label"}]
    aside = models.JSONField(default=list)  # [{"id", "start", "end", "label", "words", "text_hash", "base"}]: set aside
    aside_count = models.PositiveIntegerField(default=0)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["question", "id"], name="span_trail_aside", condition=models.Q(aside_count__gt=0))
        ]

    def __str__(self) -> str:
        return f"{self.aside_count} spans set aside of record {self.record_id}"


class Comment(models.Model):
    """A comment on a record; people mentioned with @ are notified."""

    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="comments")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    author = models.CharField(max_length=150)
    text = models.TextField()
    at = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    idempotency_key = models.CharField(max_length=80, null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        # With the person, too: a key that somebody else used must not show what they said before one has answered blind.
        constraints = [
            models.UniqueConstraint(fields=["record", "user", "idempotency_key"], name="comment_idempotent"),
        ]

    def __str__(self) -> str:
        return f"{self.author}: {self.text[:60]}"


class Mention(models.Model):
    """A notification: somebody was mentioned in a comment, or an annotation of theirs was sent back."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mentions")
    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="mentions")
    comment = models.ForeignKey(Comment, on_delete=models.CASCADE, null=True, related_name="mentions")
    line = models.CharField(max_length=300)
    at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["user", "read_at", "-id"], name="mention_unread")]

    def __str__(self) -> str:
        return self.line


class AgreementReport(Job):
    """The agreement measures of a dataset's answers between two days: a job, because many answers take a while."""

    resumes_cheaply = False
    task = "curation.tasks.agreement"
    route = "curation:agreement_report"
    icon = "review"
    unit = "answers"
    fetched_with = ("dataset__project", "created_by")
    MOVES = {"cancel": Move("cancel"), "pause": Move("pause"), "resume": Move("enqueue")}

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="agreement_reports")
    since = models.DateField(null=True)  # both days are included
    until = models.DateField(null=True)
    figures = models.JSONField(default=dict)

    class Meta(Job.Meta):
        abstract = False

    @property
    def title(self) -> str:
        return f"Agreement in {self.dataset.name}"
