"""The models of comparisons: one conversation with two to four endpoints at once, and the votes on it."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from atelier.accounts.models import Project
from curation.answers import is_blank, sounds_like_refusal
from curation.tool_calls import ReadableCall, readable
from inference.models.endpoints import Endpoint


class Comparison(models.Model):
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="comparisons")
    name = models.CharField(max_length=120)
    system_prompt = models.TextField(blank=True)
    sampling = models.JSONField(default=dict)  # the same for all sides, the seed included
    tools = models.JSONField(default=list)  # on offer to all sides
    blind = models.BooleanField(default=False)  # names are hidden until the vote
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    idempotency_key = models.CharField(max_length=80, null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "idempotency_key"], name="inference_comparison_idempotent")
        ]

    def __str__(self) -> str:
        return self.name


class Side(models.Model):
    """A side of a comparison, one of the two to four columns."""

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="sides")
    position = models.PositiveSmallIntegerField()
    endpoint = models.ForeignKey(Endpoint, on_delete=models.RESTRICT, related_name="sides")

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["comparison", "position"], name="one_side_a_position")]

    def __str__(self) -> str:
        return self.letter

    @property
    def letter(self) -> str:
        return "ABCD"[self.position]


class Turn(models.Model):
    """A turn: the person's prompt, which every side answers."""

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="turns")
    index = models.PositiveIntegerField()
    prompt = models.TextField()
    # Positions of the sides as they are shown. Blind turns are shuffled one by one, so that a name seen after a vote
    # does not tell who is who in the next turn.
    order = models.JSONField(default=list)
    # The record that the prompt came from: what is saved from this turn stays in that record's split.
    source = models.ForeignKey("curation.Record", on_delete=models.SET_NULL, null=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    named_to = models.JSONField(default=list)  # ids of the people who have seen which model wrote which answer
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["index"]
        constraints = [models.UniqueConstraint(fields=["comparison", "index"], name="one_turn_an_index")]

    def __str__(self) -> str:
        return self.prompt[:60]


class Reply(models.Model):
    """A reply: one side's answer to one turn. Regenerating adds an attempt; the last one is shown and used as context."""

    class State(models.TextChoices):
        WAITING = "waiting"
        STREAMING = "streaming"
        DONE = "done"
        STOPPED = "stopped"
        FAILED = "failed"

    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="replies")
    side = models.ForeignKey(Side, on_delete=models.CASCADE, related_name="replies")
    attempt = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    text = models.TextField(blank=True)
    reasoning = models.TextField(blank=True)
    tool_calls = models.JSONField(default=list)  # in the form of curation.tool_calls
    refusal = models.TextField(blank=True)  # what the model wrote in place of an answer
    error = models.CharField(max_length=500, blank=True)
    sampling = models.JSONField(default=dict)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    first_token_seconds = models.FloatField(null=True)
    seconds = models.FloatField(null=True)
    is_cut = models.BooleanField(default=False)  # the server ended it before it came to an end
    finish_reason = models.CharField(max_length=40, blank=True)  # the server's word for why it ended
    stop_wanted = models.BooleanField(default=False)
    seen_at = models.DateTimeField(null=True)  # the writer's last sign of life while streaming
    record = models.ForeignKey("curation.Record", on_delete=models.SET_NULL, null=True, related_name="+")  # saved as
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["attempt"]
        constraints = [models.UniqueConstraint(fields=["turn", "side", "attempt"], name="one_reply_an_attempt")]

    def __str__(self) -> str:
        return f"{self.side} on turn {self.turn_id}: {self.state}"

    @property
    def is_over(self) -> bool:
        return self.state in (self.State.DONE, self.State.STOPPED, self.State.FAILED)

    @property
    def is_whole(self) -> bool:
        """Return whether the model came to an end: it was not cut, stopped or broken off."""
        return self.state == self.State.DONE and not self.is_cut

    @property
    def readable_calls(self) -> list[ReadableCall]:
        """Return its calls of tools as people read them."""
        return readable(self.tool_calls, self.turn.comparison.tools)

    @property
    def is_empty(self) -> bool:
        """Return whether it has nothing that can be seen: no text, and no call of a tool."""
        return not self.tool_calls and is_blank(self.text)

    @property
    def is_refusal(self) -> bool:
        """Return whether the model says that it refuses, or the text begins as refusals do."""
        return bool(self.refusal) or sounds_like_refusal(self.text)

    @property
    def tokens_per_second(self) -> float | None:
        """Return the answer tokens per second over the whole time, the wait for the first included."""
        return self.completion_tokens / self.seconds if self.completion_tokens and self.seconds else None


class Vote(models.Model):
    """A vote on which answer was better. With two sides: left, right, tie, both bad."""

    class Verdict(models.TextChoices):
        SIDE = "side", "One is better"
        TIE = "tie", "Tie"
        BAD = "bad", "Both bad"

    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="votes")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    verdict = models.CharField(max_length=4, choices=Verdict.choices)
    winner = models.ForeignKey(Reply, on_delete=models.CASCADE, null=True, related_name="wins")
    blind = models.BooleanField()
    record = models.ForeignKey("curation.Record", on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["turn", "user"], name="one_vote_a_person")]

    def __str__(self) -> str:
        return f"{self.verdict} by {self.user_id}"
