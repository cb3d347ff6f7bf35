"""Pure: texts of the command line as values; a wrong one is a sentence and exit code 2."""

import argparse
import math
from datetime import UTC, datetime
from pathlib import Path

_MOST_SHOWN = 40


def text(given: str) -> str:
    """Return text that can be sent to AWS."""
    if "\0" in given or not _is_utf_8(given):
        raise wrong(given, "valid UTF-8 text")
    return given


def path(given: str) -> Path:
    """Return the path of a file, in any encoding."""
    if not given or "\0" in given:
        raise wrong(given, "the path of a file")
    return Path(given)


class Whole:
    """Takes an integer of a range."""

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def __call__(self, given: str) -> int:
        """Return the number."""
        # int() refuses thousands of digits.
        is_number = given.isascii() and given.isdigit() and len(given) <= len(str(self._most))
        if not (is_number and self._least <= int(given) <= self._most):
            raise wrong(given, f"an integer from {self._least} to {self._most}")
        return int(given)


count = Whole(1, 10**9)


class Number:
    """Takes a number of a range."""

    def __init__(self, least: float, most: float) -> None:
        self._least, self._most = least, most

    def __call__(self, given: str) -> float:
        """Return the number."""
        try:
            number = float(given)
        except ValueError:
            number = math.nan
        if not self._least <= number <= self._most:
            raise wrong(given, f"a number from {self._least} to {self._most}")
        return number


def moment(given: str) -> int:
    """Return the epoch milliseconds of a date or time; in UTC if it has no offset."""
    try:
        parsed = datetime.fromisoformat(given)
        time_ms = int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)
        datetime.fromtimestamp(time_ms / 1000, UTC)  # an offset may take it out of the years 1 to 9999
    except (ValueError, OverflowError):
        raise wrong(given, "a date or time such as 2026-11-23T10:00") from None
    return time_ms


def wrong(given: str, allowed: str) -> argparse.ArgumentTypeError:
    """Return the error that says what is allowed."""
    return argparse.ArgumentTypeError(f"{shown(given)} is not {allowed}.")


def shown(given: str) -> str:
    """Return what was given in quotation marks, shortened and without control characters."""
    return repr(given if len(given) <= _MOST_SHOWN else f"{given[:_MOST_SHOWN]}…")


def _is_utf_8(given: str) -> bool:
    try:
        given.encode()
    except UnicodeEncodeError:  # what came was not
        return False
    return True
