"""What a forked child must not inherit from its parent."""

import os
import sys
from collections.abc import Callable


def in_child(function: Callable[[], None]) -> Callable[[], None]:
    """Let `function` run first in every forked child, where there is fork at all."""
    if sys.platform != "win32":
        os.register_at_fork(after_in_child=function)
    return function
