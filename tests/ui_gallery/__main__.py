"""`python -m tests.ui_gallery PORT` serves the gallery on this machine."""

import os
import sys

from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.ui_gallery.settings"
port = sys.argv[1] if len(sys.argv) > 1 else "8765"
execute_from_command_line(["gallery", "runserver", "--noreload", f"127.0.0.1:{port}"])
