"""The command `manage.py prepare`: migrates the database and creates the first owner, for installations in containers."""

from typing import Any

from django.core.management.base import BaseCommand

from atelier import installation


class Command(BaseCommand):
    help = "Migrate the database. In an empty database, create the owner and print the login once."

    def handle(self, *args: Any, **options: Any) -> None:
        installation.prepare(self.stdout.write)
        for line in installation.login_lines():
            self.stdout.write(line)
