"""Edge: AWS clients as this function needs them: made when first used, quick to give up."""

from typing import Any


def client(service: str) -> Any:
    """Return a client for `service`; endpoint and region by the SDK's own environment."""
    # boto3 costs more to import than all the rest, and the happy path may never need it.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    # Two attempts to connect and read, and a pause between them: within ports.LONGEST_CALL_S.
    retries: Any = {"mode": "standard", "total_max_attempts": 2}
    return boto3.client(service, config=Config(connect_timeout=1, read_timeout=3, retries=retries))
