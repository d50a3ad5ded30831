"""Who may do what: users, teams, memberships with roles, API keys, and the projects that teams own."""

import hashlib
import secrets

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

from atelier.statements import kept


class Role(models.TextChoices):
    OWNER = "owner"
    EDITOR = "editor"
    ANNOTATOR = "annotator"
    VIEWER = "viewer"

    @property
    def rank(self) -> int:
        """Owner 3 > editor 2 > annotator 1 > viewer 0."""
        return [Role.VIEWER, Role.ANNOTATOR, Role.EDITOR, Role.OWNER].index(self)

    def covers(self, needed: "Role | str") -> bool:
        """True when this role may do what `needed` may."""
        return self.rank >= Role(needed).rank


class User(AbstractUser):
    """A person who signs in. The team memberships, not the flags of the base class, decide what is seen."""

    def __str__(self) -> str:
        return self.get_full_name() or self.username


class Team(models.Model):
    """The tenant: nothing is visible across teams."""

    name = models.CharField(max_length=80)
    created_at = models.DateTimeField(default=timezone.now)
    users = models.ManyToManyField(User, through="Membership", related_name="teams")

    def __str__(self) -> str:
        return self.name

    def has_other_owner(self, user: User) -> bool:
        """True when somebody besides this user owns the team."""
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
    """A key acts as its user in one team. Only its SHA-256 is kept: 160 random bits need no slow hash."""

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
        """Make a key. Returns the row and the key itself, which is never to be had again."""
        plain = "atl_" + secrets.token_hex(20)
        return cls.objects.create(team=team, user=user, name=name, prefix=plain[:10], digest=cls.hash(plain)), plain

    @staticmethod
    def hash(plain: str) -> str:
        return hashlib.sha256(plain.encode()).hexdigest()

    @classmethod
    def find(cls, plain: str) -> "APIKey | None":
        """The live key for what a client sent, its last use noted at most once a minute."""
        key = next(iter(_live_keys(cls.hash(plain))), None)
        now = timezone.now()
        if key and (key.last_used_at is None or (now - key.last_used_at).total_seconds() > 60):
            cls.objects.filter(pk=key.pk).update(last_used_at=now)
        return key

    def revoke(self) -> None:
        self.revoked_at = timezone.now()
        self.save(update_fields=["revoked_at"])


@kept
def _live_keys(digest: str) -> models.QuerySet[APIKey]:
    return APIKey.objects.select_related("user", "team").filter(digest=digest, revoked_at=None, user__is_active=True)


class ProjectQuerySet(models.QuerySet["Project"]):
    def visible_to(self, user: User) -> "ProjectQuerySet":
        """Projects of the teams that the user is in now."""
        return self.filter(team__memberships__user=user)


class Project(models.Model):
    """One thing to teach a model: its guidelines, and what the other apps hang on it."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="projects")
    name = models.CharField(max_length=120)
    description = models.CharField(max_length=300, blank=True)
    guidelines = models.TextField(blank=True, help_text="Markdown. Teachers and annotators get it.")
    student_prompt = models.TextField(
        blank=True, help_text="The short system prompt that the student is trained and served with."
    )
    rules = models.TextField(blank=True, help_text="Machine-checkable rules (TOML) that evaluations apply.")
    idempotency_key = models.CharField(max_length=80, null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="project_name_unique_in_team"),
            models.UniqueConstraint(fields=["team", "idempotency_key"], name="project_idempotent"),
        ]

    def __str__(self) -> str:
        return self.name


class SignInFailure(models.Model):
    """A wrong password, for the throttle. Kept for an hour."""

    username = models.CharField(max_length=150, db_index=True)
    address = models.GenericIPAddressField(db_index=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"{self.username} from {self.address}"
