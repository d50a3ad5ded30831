"""The models of the audit trail: who did what of consequence, when and from where.

Rows are added, and deleted after a time; none is changed.
"""

from django.conf import settings
from django.db import models
from django.utils import timezone

from atelier.accounts.models import Team


class AuditAction(models.TextChoices):
    """The actions that are noted. A value is never reused for something else: exports of years ago name it."""

    SIGNED_IN = "signed_in", "Signed in"
    SIGN_IN_FAILED = "sign_in_failed", "Failed to sign in"
    SIGNED_OUT = "signed_out", "Signed out"
    PASSWORD_CHANGED = "password_changed", "Changed their password"
    ACCOUNT_CREATED = "account_created", "Created an account"
    TEAM_CREATED = "team_created", "Created a team"
    INSTALLATION_OWNER_ADDED = "installation_owner_added", "Added an installation owner"
    INSTALLATION_OWNER_REMOVED = "installation_owner_removed", "Removed an installation owner"
    INVITATION_SENT = "invitation_sent", "Invited"
    INVITATION_WITHDRAWN = "invitation_withdrawn", "Withdrew an invitation"
    INVITATION_ACCEPTED = "invitation_accepted", "Accepted an invitation"
    INVITATION_DECLINED = "invitation_declined", "Declined an invitation"
    INVITATION_REFUSED = "invitation_refused", "Refused a person who had accepted"
    MEMBER_ADDED = "member_added", "Added a member"
    MEMBER_REMOVED = "member_removed", "Removed a member"
    ROLE_CHANGED = "role_changed", "Changed a role"
    KEY_CREATED = "key_created", "Created an API key"
    KEY_REVOKED = "key_revoked", "Revoked an API key"
    ENDPOINT_CREATED = "endpoint_created", "Created an endpoint"
    ENDPOINT_CHANGED = "endpoint_changed", "Changed an endpoint"
    ENDPOINT_ARCHIVED = "endpoint_archived", "Archived an endpoint"
    ENDPOINT_RESTORED = "endpoint_restored", "Restored an endpoint"
    WEBHOOK_CREATED = "webhook_created", "Created a webhook"
    WEBHOOK_CHANGED = "webhook_changed", "Changed a webhook"
    WEBHOOK_SECRET_RENEWED = "webhook_secret_renewed", "Replaced a webhook's secret"
    PROJECT_CREATED = "project_created", "Created a project"
    PROJECT_CHANGED = "project_changed", "Changed a project's settings"
    DELETED = "deleted", "Deleted"
    ERASED = "erased", "Erased"
    ARCHIVED = "archived", "Archived"
    UNARCHIVED = "unarchived", "Restored from the archive"
    FILES_REMOVED = "files_removed", "Removed files from the disk"
    EXPORT_STARTED = "export_started", "Started an export"
    DOWNLOADED = "downloaded", "Downloaded"


# About a person rather than a team: the owners of each team that the person is in see these.
PERSONAL = (AuditAction.SIGNED_IN, AuditAction.SIGN_IN_FAILED, AuditAction.SIGNED_OUT, AuditAction.PASSWORD_CHANGED)


class AuditEntry(models.Model):
    """An entry of the audit trail. Names are stored as they were, because accounts and objects can be deleted."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    action = models.CharField(max_length=30)  # an AuditAction; no choices, so that a new one is no migration
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    actor_name = models.CharField(max_length=150, blank=True)  # empty: somebody who typed no name that is known here
    team = models.ForeignKey(Team, on_delete=models.SET_NULL, null=True, related_name="audit_entries")
    object_kind = models.CharField(max_length=40, blank=True)
    object_id = models.BigIntegerField(null=True)
    object_name = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=45, blank=True)
    count = models.PositiveIntegerField(default=1)  # above 1 only for failed sign-ins of one hour
    detail = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["team", "-id"], name="audit_of_team"),
            models.Index(fields=["actor", "-id"], name="audit_of_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name or 'Someone'}: {self.title} {self.object_name}".strip()

    @property
    def title(self) -> str:
        """Return the action in words; for one that this version does not know, its name."""
        return str(AuditAction(self.action).label) if self.action in AuditAction.values else self.action

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Return the details in words, for the page."""
        left_out = {"project_id"}
        shown = {name: value for name, value in self.detail.items() if name not in left_out and value != []}
        return [
            (name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else _word(value))
            for name, value in shown.items()
        ]


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
