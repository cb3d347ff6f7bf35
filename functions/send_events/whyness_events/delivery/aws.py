"""Edge: AWS clients as this function needs them: made when first used, quick to give up."""

from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from whyness_events.delivery.bounded import call_within


def client(service: str) -> Any:
    """Return a client for `service`; endpoint and region by the SDK's own environment."""
    # boto3 costs more to import than all the rest, and the happy path may never need it.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    # Two attempts to connect and read, and a pause between them: within ports.LONGEST_CALL_S.
    retries: Any = {"mode": "standard", "total_max_attempts": 2}
    return boto3.client(service, config=Config(connect_timeout=1, read_timeout=3, retries=retries))


class LazyClient:
    """A client that is made at the first call.

    Args:
        make: returns it.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None

    def attempt(self, operation: str, seconds: float, **arguments: Any) -> dict[str, Any] | None:
        """Call `operation`; None where it failed, for whatever reason, or took longer than `seconds`.

        What failed stays unconfirmed, and whoever called counts it.
        """
        try:
            self._made = self._made or self._make()
            call: Callable[[], dict[str, Any]] = partial(getattr(self._made, operation), **arguments)
            return call_within(seconds, call)
        except (
            BotoCoreError,
            ClientError,
            TimeoutError,
            ValueError,
        ):  # ValueError: an endpoint that is no URL
            return None
