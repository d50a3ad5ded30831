#!/usr/bin/env python
"""Atelier's command line: `manage.py help` lists every command."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atelier.settings")
    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:  # while the app loads, before a command is there to say what goes on
        sys.exit(130)
