"""Logs a lasting condition once when it begins and once when it ends."""

import logging
import os

logger = logging.getLogger("whyness_mixpanel")


class Condition:
    """A fault that may last, in this process and for each database. A forked child begins without it.

    Args:
        level: of the line at the beginning; the line at the end is INFO.
    """

    def __init__(self, level: int = logging.WARNING) -> None:
        self._level = level
        self._holding: dict[str, int] = {}

    def begin(self, text: str, *values: object, of: str = "") -> None:
        """Log the beginning, unless the condition holds already."""
        if self._holding.get(of) != os.getpid():
            self._holding[of] = os.getpid()
            logger.log(self._level, text, *values)

    def end(self, text: str = "", of: str = "") -> None:
        """Log the end, if the condition held and there is a text."""
        if self._holding.pop(of, 0) == os.getpid() and text:
            logger.info(text)
