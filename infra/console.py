"""How the commands of this directory ask a person, and end."""

import subprocess
import sys
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from infra.build import BuildError
from infra.change_set import ChangeError
from infra.pythons import PythonMissing
from infra.releases import ReleaseError
from infra.samconfig import ConfigError

DONE, DECLINED, FAILED, STOPPED = 0, 1, 2, 130


class Refused(Exception):
    """Nothing was done; the text says why and what to do."""


def ask(question: str) -> bool:
    """Return whether a person says yes; no input is a no."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def run(name: str, do: Callable[[], bool]) -> int:
    """Return the exit code of a command: 1 where a person said no, 2 where it could not be done."""
    try:
        return DONE if do() else DECLINED
    except (
        BotoCoreError,
        BuildError,
        ChangeError,
        ClientError,
        ConfigError,
        PythonMissing,
        Refused,
        ReleaseError,
    ) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return FAILED
    except subprocess.CalledProcessError as error:  # it has said why
        return error.returncode
    except KeyboardInterrupt:
        print(f"{name}: stopped", file=sys.stderr)
        return STOPPED
