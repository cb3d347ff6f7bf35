"""The result of a check."""

from typing import NamedTuple


class Problem(NamedTuple):
    """One problem of a site.

    Args:
        what: what is wrong, and what follows from it.
        hint: what to do.
    """

    what: str
    hint: str
