"""Results by text, bounded in number and length: traffic repeats itself, but a stranger may send anything."""

from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

# Results of longer texts are not kept; useragent.py does not read further either.
_KEPT_CHARS = 1_000


class Kept(dict[str, _T]):
    """The results of `make`, looked up as in a dictionary. The oldest is dropped first.

    Args:
        make: returns the result for a text.
        most: how many are kept.
    """

    def __init__(self, make: Callable[[str], _T], most: int) -> None:
        super().__init__()
        self._make, self._most = make, most

    def __missing__(self, text: str) -> _T:
        made = self._make(text)
        if len(text) <= _KEPT_CHARS:
            if len(self) >= self._most:
                del self[next(iter(self))]
            self[text] = made
        return made
