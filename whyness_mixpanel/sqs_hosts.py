"""Which region a queue's URL names, and which host boto3 calls for it.

Sources, 2026-11-27:
- botocore's endpoint rule set of SQS and its partitions: `sqs` and `sqs-fips`, also dual-stack.
- docs.aws.amazon.com/general/latest/gr/sqs-service.html: the legacy hosts `<region>.queue.amazonaws.com`, of
  which `queue.amazonaws.com` is us-east-1's.
- docs.aws.amazon.com/vpc/latest/privatelink/privatelink-access-aws-services.html: the names of a VPC
  endpoint, `<endpoint id>[-<zone>].sqs.<region>.vpce.amazonaws.com`.
- localstack/localstack, services/sqs/query_api.py: its strategies `standard`, `domain` and `path`.
- docs.aws.amazon.com/sdkref/latest/guide: what names another endpoint (pages "Service-specific endpoints",
  "Dual-stack and FIPS endpoints").
"""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

_REGION = r"[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}"
_IN_HOST = re.compile(rf"(?:[a-z0-9-]+\.)?sqs(?:-fips)?\.({_REGION})\..+|({_REGION})\.queue\..+").fullmatch
_IN_PATH = re.compile(rf"/queue/({_REGION})/").match
_WITHOUT_REGION = {"queue.amazonaws.com": "us-east-1"}
# boto3 calls these hosts unless an endpoint is configured. Asking boto3 takes 0.2 s.
_ORDINARY = re.compile(r"sqs\.(?!cn-)[a-z]{2}-[a-z]+-\d\.amazonaws\.com").fullmatch
_MAY_NAME_ENDPOINT = (
    "AWS_ENDPOINT_URL",
    "AWS_USE_",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
)
_FILES = ("~/.aws/config", "~/.aws/credentials")
_PORTS = {"http": 80, "https": 443}


def region_of(queue_url: str) -> str | None:
    """Return the AWS region in a queue's URL, None where it has none."""
    url = urlsplit(queue_url)
    host = url.hostname or ""
    if in_host := _IN_HOST(host):
        return in_host[1] or in_host[2]
    in_path = _IN_PATH(url.path)
    return in_path[1] if in_path else _WITHOUT_REGION.get(host)


def origin_of(url: str) -> str:
    """Return the URL's scheme, host and port, which hold no secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{host_of(url)}"


def host_of(url: str) -> str:
    """Return the URL's host, with its port unless it is the scheme's default."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    name = f"[{host}]" if ":" in host else host
    return name if parts.port in (None, _PORTS.get(parts.scheme)) else f"{name}:{parts.port}"


def called_host(queue_url: str, region: str | None) -> str:
    """Return the host that boto3 calls for the queue. Reads boto3's variables and files; uses no network.

    Raises:
        botocore.exceptions.BotoCoreError, ValueError: boto3 cannot tell, for example without a region.
    """
    host = host_of(queue_url)
    if _ORDINARY(host) and not _is_endpoint_named():
        return host
    import boto3  # noqa: PLC0415  (not at the start of every process of the site)
    from botocore.config import Config  # noqa: PLC0415  (as above)

    client = boto3.session.Session().client(
        "sqs",
        region_name=region,
        # Another mode may ask the machine's metadata service.
        config=Config(defaults_mode="legacy"),  # type: ignore[arg-type]  # the stubs take it for a bool
        aws_access_key_id="none",  # otherwise it would look for credentials
        aws_secret_access_key="none",  # noqa: S106  (as above)
    )
    return host_of(client.generate_presigned_url("list_queues"))


def _is_endpoint_named() -> bool:
    """Whether a variable or a file may configure another endpoint."""
    in_environment = any(name.startswith(_MAY_NAME_ENDPOINT) for name in os.environ)
    return in_environment or any(Path(os.path.expanduser(name)).exists() for name in _FILES)  # noqa: PTH111  (raises nothing)
