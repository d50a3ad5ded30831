"""Users, teams, memberships with roles, API keys, and the projects that teams own: the models of permission."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

from atelier.accounts import key_use, names
from atelier.database.prepared import prepared


class Role(models.TextChoices):
    OWNER = "owner"
    EDITOR = "editor"
    ANNOTATOR = "annotator"
    VIEWER = "viewer"

    @property
    def rank(self) -> int:
        """Return the rank of the role: owner 3 > editor 2 > annotator 1 > viewer 0."""
        return [Role.VIEWER, Role.ANNOTATOR, Role.EDITOR, Role.OWNER].index(self)

    def covers(self, needed: "Role | str") -> bool:
        """Return whether this role may do what `needed` may."""
        return self.rank >= Role(needed).rank


class User(AbstractUser):
    """A person who signs in. The team memberships decide what they see; `is_superuser` marks an installation owner.

    A vouched-for account was created by an installation owner: a name that somebody chose for themselves proves
    nothing.
    """

    compared_name = models.CharField(max_length=450, default="", db_index=True, editable=False)
    made_by = models.CharField(max_length=150, default="", editable=False)  # a name, which outlives its account
    is_vouched = models.BooleanField(default=False, editable=False)

    @property
    def owns_installation(self) -> bool:
        """Return whether the user owns the installation.

        Owners create teams and accounts while registration is closed, and read the whole audit trail.
        """
        return bool(self.is_superuser and self.is_active)

    @property
    def origin(self) -> str:
        """Describe since when the account exists and who created it."""
        since = f"since {self.date_joined:%-d %B %Y}"
        if not self.made_by:
            return f"{since}, before Atelier recorded who creates accounts"
        return f"{since}, self-registered" if self.made_by == self.username else f"{since}, created by {self.made_by}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.compared_name = names.compared(self.username)
        if kwargs.get("update_fields") is not None and "username" in kwargs["update_fields"]:
            kwargs["update_fields"] = {*kwargs["update_fields"], "compared_name"}
        super().save(*args, **kwargs)

    def __str__(self) -> str:
        return self.get_full_name() or self.username


class Team(models.Model):
    """A team, the tenant: nothing is visible across teams."""

    name = models.CharField(max_length=80)
    created_at = models.DateTimeField(default=timezone.now)
    users = models.ManyToManyField(User, through="Membership", related_name="teams")

    def __str__(self) -> str:
        return self.name

    def has_other_owner(self, user: User) -> bool:
        """Return whether somebody besides this user owns the team."""
        return self.memberships.filter(role=Role.OWNER).exclude(user=user).exists()


class Membership(models.Model):
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.ANNOTATOR)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="one_membership_a_team")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}: {self.role}"


class APIKey(models.Model):
    """An API key, which acts as its user in one team. Only its SHA-256 is stored: 160 random bits need no slow hash."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="api_keys")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @classmethod
    def issue(cls, team: Team, user: User, name: str) -> tuple["APIKey", str]:
        """Create a key. Returns the row and the key itself, which cannot be shown again."""
        plain = "atl_" + secrets.token_hex(20)
        return cls.objects.create(team=team, user=user, name=name, prefix=plain[:10], digest=cls.hash(plain)), plain

    @staticmethod
    def hash(plain: str) -> str:
        return hashlib.sha256(plain.encode()).hexdigest()

    @classmethod
    def find(cls, plain: str) -> "APIKey | None":
        """Return the valid key for what a client sent; its last use is noted at most once a minute."""
        key = next(iter(_live_keys(cls.hash(plain))), None)
        if key:
            key_use.note(key)
        return key

    def revoke(self) -> bool:
        """Revoke the key. Returns False when it was already revoked."""
        return bool(APIKey.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=timezone.now()))


@prepared
def _live_keys(digest: str) -> models.QuerySet[APIKey]:
    """Return the valid keys of a hash: a key is valid only while its person is in its team, however the membership ended."""
    found = APIKey.objects.select_related("user", "team").filter(digest=digest, revoked_at=None, user__is_active=True)
    return found.filter(team__memberships__user=models.F("user"))


class ProjectQuerySet(models.QuerySet["Project"]):
    def visible_to(self, user: User) -> "ProjectQuerySet":
        """Return the projects of the teams that the user is in now."""
        return self.filter(team__memberships__user=user)


class ProjectManager(models.Manager.from_queryset(ProjectQuerySet)):  # type: ignore[misc]
    """The projects that nobody deleted."""

    def get_queryset(self) -> ProjectQuerySet:
        return super().get_queryset().filter(deleted_at=None)


class Project(models.Model):
    """A project: a task that a model is taught, its guidelines, and what the other apps attach to it."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="projects")
    name = models.CharField(max_length=120)
    description = models.CharField(max_length=300, blank=True)
    guidelines = models.TextField(blank=True, help_text="Markdown. Teachers and annotators get it.")
    student_prompt = models.TextField(
        blank=True, help_text="The short system prompt that the student is trained and served with."
    )
    # The base that it trains, by its slug: its tokenizer counts records, and its context says which are too long.
    # Empty: the sample's student.
    base = models.CharField(max_length=80, blank=True)
    rules = models.TextField(blank=True, help_text="Machine-checkable rules (TOML) that evaluations apply.")
    idempotency_key = models.CharField(max_length=80, null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    created_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(
        null=True, blank=True
    )  # hidden from then on, while a ProjectDeletion takes it away

    objects = ProjectManager()  # also what `team.projects` gives: one that is being deleted is in no list

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="project_name_unique_in_team"),
            models.UniqueConstraint(fields=["team", "idempotency_key"], name="project_idempotent"),
        ]

    def __str__(self) -> str:
        return self.name


class Upload(models.Model):
    """An upload of a team, counted in bytes, whatever its outcome: written before anybody looks at it. See quotas.py."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="uploads")
    size = models.BigIntegerField()
    at = models.DateTimeField(default=timezone.now)
    settled = models.BooleanField(default=False)  # what was kept of it can be measured now, if anything was

    class Meta:
        indexes = [models.Index(fields=["team", "at"], name="upload_of_team")]

    def __str__(self) -> str:
        return f"{self.size} bytes by {self.team}"

    def settle(self) -> None:
        """Mark the upload as kept or refused: no space is reserved for it any longer."""
        Upload.objects.filter(pk=self.pk).update(settled=True)


class SignInPace(models.Model):
    """The recent sign-in attempts counted under one key: a name, a place, or both. See throttle.py.

    Keys are keyed hashes, because people type passwords into the name field.
    """

    key = models.CharField(max_length=64, unique=True)
    failures = models.FloatField(default=0)  # leaks away with time
    at = models.DateTimeField(db_index=True)
    free_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.failures:.1f} until {self.free_at}"


class KnownBrowser(models.Model):
    """A browser in which a person signed in. The throttle treats it apart from strangers; it grants nothing by itself."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="browsers")
    digest = models.CharField(max_length=64)
    place = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="browser_known_once")]

    def __str__(self) -> str:
        return f"{self.user} at {self.place}"


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def live(self) -> "InvitationQuerySet":
        """Return the invitations that can still be accepted: not expired, and the inviter still owns the team."""
        owners = Membership.objects.filter(
            team=models.OuterRef("team"), user=models.OuterRef("invited_by"), role=Role.OWNER
        )
        return self.filter(models.Exists(owners), state=Invitation.State.PENDING, expires_at__gt=timezone.now())


def in_two_weeks() -> Any:
    return timezone.now() + timedelta(days=14)


class Invitation(models.Model):
    """An invitation of a name to a team; the person of that name, if there is one, decides."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for an answer"
        ANSWERED = "answered", "Accepted, waiting for an owner"
        ACCEPTED = "accepted", "Joined"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"
        REFUSED = "refused", "Refused"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="invitations")
    name = models.CharField(max_length=150)
    compared_name = models.CharField(max_length=450, db_index=True)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.ANNOTATOR)
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="invitations")  # who answered
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(default=in_two_weeks)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "compared_name"], name="one_invitation_a_name")]

    def __str__(self) -> str:
        return f"{self.name} to {self.team}: {self.state}"

    @property
    def shown_state(self) -> str:
        """Return the state in words; an invitation that waited too long has expired."""
        late = self.state == self.State.PENDING and self.expires_at <= timezone.now()
        return "Expired" if late else self.get_state_display()
