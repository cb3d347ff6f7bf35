"""Edge: checks the queue, and compares the clock with that of its answer. Sends no event."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from django.utils import timezone

from whyness_mixpanel import conf
from whyness_mixpanel.diagnosis.finding import Finding, State, skipped
from whyness_ops import SetupFault
from whyness_ops.aws import error_code, explained

# AWS refuses a request whose time is 5 minutes off; events more than an hour ahead are refused by Mixpanel.
CLOCK_TOLERANCE_S = 60
ROLE = "Attach the stack's output PublisherPolicyArn to the role that the site runs under."


@dataclass(frozen=True, slots=True)
class _Reply:
    """The answer of SQS: its error code, `""` for none, and its Date header."""

    code: str
    date: str


def queue_and_clock(client: Callable[[], Any] | None = None) -> tuple[Finding, Finding]:
    """Return both findings; `client` returns a boto3 SQS client, None builds that of the settings."""
    try:
        with explained("the queue"):
            reply = _ask((client or _client)())
    except (SetupFault, ValueError) as error:
        queue = Finding("queue", State.WRONG, str(error), "Check QUEUE_URL, the network and its proxies.")
        return queue, skipped("The queue did not answer.", "clock")[0]
    return _queue(reply.code), _clock(reply.date, timezone.now())


def _ask(client: Any) -> _Reply:
    """Send an empty batch: this needs the permission to send, and sends nothing."""
    try:
        answer = client.send_message_batch(QueueUrl=conf.QUEUE_URL.get(), Entries=[])
        code = ""
    except ClientError as error:
        answer, code = error.response, error_code(error)
    headers: Mapping[str, str] = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return _Reply(code, headers.get("date", ""))


def _queue(code: str) -> Finding:
    if code in {"", "EmptyBatchRequest"}:
        return Finding("queue", State.OK, "The queue answers, and accepts the credentials.")
    unknown = f"The queue refused the request: {code}.", "Look up the code in the documentation of SQS."
    return Finding("queue", State.WRONG, *_REFUSALS.get(code, unknown))


_REFUSALS = {
    **dict.fromkeys(
        ("QueueDoesNotExist", "NonExistentQueue", "InvalidAddress"),
        ("The queue does not exist.", "Set QUEUE_URL to the stack's output QueueUrl."),
    ),
    **dict.fromkeys(
        ("AccessDenied", "AccessDeniedException", "KMS.AccessDeniedException"),
        ("The credentials do not allow sending to the queue.", ROLE),
    ),
    **dict.fromkeys(
        (
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
        ),
        ("AWS does not accept the credentials.", "Use credentials of the account that owns the queue."),
    ),
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException"),
        ("The credentials have expired.", "Renew them, or use a role."),
    ),
    "RequestExpired": ("The time of the request is wrong.", "Set this machine's clock."),
}


def _clock(date: str, now: datetime) -> Finding:
    try:
        off_s = (now - parsedate_to_datetime(date)).total_seconds()
    except (TypeError, ValueError):
        return Finding("clock", State.SKIPPED, "The queue's answer has no time to compare with.")
    if abs(off_s) <= CLOCK_TOLERANCE_S:
        return Finding("clock", State.OK, "The clock agrees with that of AWS.")
    return Finding(
        "clock",
        State.WRONG,
        f"The clock is {abs(off_s):,.0f} s {'ahead' if off_s > 0 else 'behind'}.",
        "Synchronise it with NTP: AWS refuses requests that are 5 minutes off.",
    )


def _client() -> Any:
    config = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.session.Session().client("sqs", region_name=conf.region(), config=config)
