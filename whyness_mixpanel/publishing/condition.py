"""What stands for a while is logged where it begins and where it ends, however often it is met."""

import logging
import os

logger = logging.getLogger("whyness_mixpanel")


class Condition:
    """One thing that may be wrong in this process; a forked child begins without it.

    Args:
        level: of the line where it begins; the one where it ends is INFO.
    """

    def __init__(self, level: int = logging.WARNING) -> None:
        self._level = level
        self._holds_in = 0

    @property
    def holds(self) -> bool:
        """Whether it has begun, and not ended."""
        return self._holds_in == os.getpid()

    def begin(self, text: str, *values: object) -> None:
        """Log that it begins, unless it holds already."""
        if not self.holds:
            self._holds_in = os.getpid()
            logger.log(self._level, text, *values)

    def end(self, text: str = "") -> None:
        """Log that it has ended, where it held and there is a text."""
        if self.holds:
            self._holds_in = 0
            if text:
                logger.info(text)
