"""What stands for a while is logged where it begins and where it ends, however often it is met."""

import logging

logger = logging.getLogger("whyness_mixpanel")


class Condition:
    """One thing that may be wrong in this process.

    Args:
        level: of the line where it begins; the one where it ends is INFO.
    """

    def __init__(self, level: int = logging.WARNING) -> None:
        self._level = level
        self._holds = False

    def begin(self, text: str, *values: object) -> None:
        """Log that it begins, unless it holds already."""
        if not self._holds:
            self._holds = True
            logger.log(self._level, text, *values)

    def end(self, text: str = "") -> None:
        """Log that it has ended, where it held and there is a text."""
        if self._holds:
            self._holds = False
            if text:
                logger.info(text)
