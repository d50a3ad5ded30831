"""`python -m tests.browser.guide_images [--only NAME,…]` makes docs/img anew; it exits with 1 if a page was at fault."""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

import django


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the pictures of the guide anew.")
    parser.add_argument(
        "--only", default="", metavar="NAME,…", help="names of pictures; default: all but the slow ones"
    )
    only = [name for name in parser.parse_args().only.split(",") if name]
    for wish in (signal.SIGTERM, signal.SIGINT):  # either ends the installation too
        signal.signal(wish, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="atelier-guide-") as folder:
        # What starts an installation reads the settings, which must not be those of the installation in var/.
        os.environ |= {"ATELIER_DATA": folder, "DJANGO_SETTINGS_MODULE": "atelier.settings"}
        django.setup()
        from tests.browser.guide_images import newsroom, pictures

        if unknown := sorted(set(only) - set(pictures.PICTURES)):
            parser.error(f"no picture is called {', '.join(unknown)}; there are {', '.join(pictures.PICTURES)}")
        wanted = only or [name for name in pictures.PICTURES if name not in pictures.SLOW]
        complaints = newsroom.draw(Path(folder) / "newsroom", {name: pictures.PICTURES[name] for name in wanted})
    print("\n".join(complaints), file=sys.stderr, end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
