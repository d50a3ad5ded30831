"""The command `manage.py installation_owners`: lists the installation's owners, and changes them from the machine itself."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from atelier.accounts import members
from atelier.accounts.models import User
from atelier.audit import trail
from atelier.audit.models import AuditAction


class Command(BaseCommand):
    help = "List the owners of the installation, who create teams and accounts and read the whole audit trail."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--add", metavar="NAME", help="make this user an owner")
        parser.add_argument("--remove", metavar="NAME", help="remove this user from the owners")

    def handle(self, *args: Any, **options: Any) -> None:
        for name, owns in ((options["add"], True), (options["remove"], False)):
            if name:
                change(name, owns)
        for name in User.objects.filter(is_superuser=True, is_active=True).order_by("username"):
            self.stdout.write(name.username)


def change(name: str, owns: bool) -> None:
    """Make somebody an owner of the installation, or no longer. Raises CommandError with a sentence."""
    user = members.named(name)
    if user is None:
        raise CommandError(f"No account is called {name}.")
    try:
        with transaction.atomic():
            if members.set_installation_owner(user, owns):
                action = AuditAction.INSTALLATION_OWNER_ADDED if owns else AuditAction.INSTALLATION_OWNER_REMOVED
                trail.note(None, action, user, name=user.username)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
