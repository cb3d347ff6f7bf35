"""What stands for a while is logged where it begins and where it ends, however often it is met."""

import logging
import os

logger = logging.getLogger("whyness_mixpanel")


class Condition:
    """Something that may be wrong in this process, of each database, say; a forked child begins without it.

    Args:
        level: of the line where it begins; the one where it ends is INFO.
    """

    def __init__(self, level: int = logging.WARNING) -> None:
        self._level = level
        self._holding: dict[str, int] = {}

    def begin(self, text: str, *values: object, of: str = "") -> None:
        """Log that it begins, unless it holds already."""
        if self._holding.get(of) != os.getpid():
            self._holding[of] = os.getpid()
            logger.log(self._level, text, *values)

    def end(self, text: str = "", of: str = "") -> None:
        """Log that it has ended, where it held and there is a text."""
        if self._holding.pop(of, 0) == os.getpid() and text:
            logger.info(text)
