#!/usr/bin/env python
"""Django's command line for the example. It runs from a checkout, with Django and boto3 installed."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run the command named on the command line."""
    sys.path[:0] = [str(ROOT), str(ROOT / "functions" / "send_events")]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.settings")

    from django.core.management import execute_from_command_line  # noqa: PLC0415  (after the settings are named)

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
