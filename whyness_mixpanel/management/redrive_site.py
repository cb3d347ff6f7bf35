"""What `whyness-mixpanel redrive --site SETTINGS_MODULE` runs: `manage.py mixpanel_redrive` of that site."""

import os
import sys
from collections.abc import Sequence

import django
from django.core.management import execute_from_command_line

_CANNOT_LOAD = 2


def main(settings: str, arguments: Sequence[str]) -> int:
    """Run the command.

    Args:
        settings: the site's settings module, as in DJANGO_SETTINGS_MODULE.
        arguments: of the command.
    """
    sys.path.append("")  # last: a module of the current directory must not replace another
    os.environ["DJANGO_SETTINGS_MODULE"] = settings
    try:
        django.setup()
    except Exception as error:  # noqa: BLE001  (a site's settings can raise anything)
        text = f"--site {settings}: loading the site raised {type(error).__name__}: {error}."
        sys.stderr.write(f"whyness-mixpanel: error: {text} Fix it, or check the name.\n")
        return _CANNOT_LOAD
    execute_from_command_line(["manage.py", "mixpanel_redrive", "--skip-checks", *arguments])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
