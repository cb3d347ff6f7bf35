"""Keeps the dead letters of suppressed users in the dead-letter queue when the others are redriven."""

import json
from typing import Any

from whyness_mixpanel.privacy.filters import filter_suppressed
from whyness_ops import Withheld


def refuse_suppressed(raw: Any) -> Any:
    """Return the event as it is.

    Raises:
        Withheld: its user or prospect is suppressed, or it is unknown whether one is.
    """
    if not isinstance(raw, dict):
        raise Withheld("its body cannot be read; fix it with the command mixpanel_redrive and --edit")
    try:
        is_allowed = filter_suppressed([json.dumps(raw)]) != []
    except Exception as error:  # OPT_OUT is the site's own function
        raise Withheld(
            f"it is unknown whether its user is suppressed ({type(error).__name__}); "
            "check OPT_OUT and the database"
        ) from error
    if not is_allowed:
        raise Withheld("its user is suppressed")
    return raw
