"""Pure: the lines of an export as events, or the certainty that some are missing."""

import json
from collections.abc import Iterator
from typing import Any


def decoded(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the events of JSON lines; one that is split over two lines is one event.

    Raises:
        EOFError: the lines end early.
    """
    begun = b""
    for line in lines:
        if not line.endswith(b"\n"):
            raise EOFError("the last line is not complete")
        whole = begun + line.rstrip(b"\n")
        try:
            event = json.loads(whole or b"null")
        except ValueError:
            if begun or whole.startswith(b"terminated"):
                raise EOFError("it was broken off") from None
            begun = whole
            continue
        begun = b""
        if isinstance(event, dict) and isinstance(event.get("properties"), dict):
            yield event
    if begun:
        raise EOFError("it was broken off")
