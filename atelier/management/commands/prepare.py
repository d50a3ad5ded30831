"""`manage.py prepare`: bring the database up to date and make the first owner, for installations in containers."""

from typing import Any

from django.core.management.base import BaseCommand

from atelier import installation


class Command(BaseCommand):
    help = "Migrate the database; on an empty one make the owner and print the login."

    def handle(self, *args: Any, **options: Any) -> None:
        installation.prepare(self.stdout.write)
        login = installation.first_login()
        if login:
            self.stdout.write(f"Sign in as {login[0]} with the password {login[1]}")
