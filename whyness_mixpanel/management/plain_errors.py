"""Ends a command with one line instead of a traceback after a database error, a wrong setting or Ctrl-C."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import Error

# As shells have it.
INTERRUPTED = 130


@contextmanager
def plain_errors(*, returncode: int = 1) -> Iterator[None]:
    """Raise CommandError instead, without texts that may quote data; `--traceback` shows the rest."""
    try:
        yield
    except Error as error:
        text = f"The database failed: {type(error).__name__}. Is the site migrated?"
        raise CommandError(text, returncode=returncode) from error
    except ImproperlyConfigured as error:
        raise CommandError(str(error), returncode=returncode) from error
    except KeyboardInterrupt:
        raise CommandError("Stopped.", returncode=INTERRUPTED) from None
