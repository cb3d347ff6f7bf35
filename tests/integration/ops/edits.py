"""Edit functions as a person would write them."""

from typing import Any


def name_it(event: dict[str, Any]) -> dict[str, Any]:
    """Give the event another name."""
    return {**event, "event": "Put right"}


def name_good_ones(event: dict[str, Any]) -> dict[str, Any]:
    """Give it another name, but for one that it does not understand."""
    if event["insert_id"] == "bad":
        raise LookupError(event["insert_id"])
    return name_it(event)
