"""Publishes to SQS: one client per process, with short timeouts. boto3 finds the credentials."""

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError

from whyness_events import sqs_batch
from whyness_mixpanel import conf
from whyness_mixpanel.backends import LIVE_GROUP, Answer
from whyness_mixpanel.forks import in_child

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_ATTEMPT_COUNT = 2
_POOL_CONNECTIONS = 50
# A client that was built without credentials never gets any. Building a new one looks for them again, which
# takes time, so not more often than this.
_RENEW_AFTER_S = 60.0
# The error codes of AWS for credentials that it does not accept.
_STALE_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)
# What a queue always refuses. AWS refuses a call or a message above MaximumMessageSize as a whole with
# BatchRequestTooLong; other implementations of SQS name the entry, with a text that says so.
_TOO_LONG = "BatchRequestTooLong"
_SAYS_TOO_LONG = "must be shorter than"
_BAD_TEXT = "InvalidMessageContents"
_WHY = {
    _TOO_LONG: "longer than the queue accepts: raise its MaximumMessageSize to 1 MiB, then release the event",
    _BAD_TEXT: "the queue does not accept its characters (InvalidMessageContents)",
}


class _Options(NamedTuple):
    region: str | None
    connect_timeout_s: float
    read_timeout_s: float


class _Made(NamedTuple):
    client: "SQSClient"
    options: _Options
    made_at_s: float


_lock = threading.Lock()
_made: _Made | None = None


def publish(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:
    """Send `bodies` in one call; at most 10, at most 1 MiB together.

    Args:
        bodies: the message bodies.
        group: the message group; a group of its own does not delay live events.

    Raises:
        SettingError: QUEUE_URL is not set, or a setting is invalid.
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: the call failed as a whole.
    """
    queue_url = conf.QUEUE_URL.require()
    return _send(queue_url, [{"MessageBody": body, "MessageGroupId": group} for body in bodies])


def _send(queue_url: str, entries: Sequence[sqs_batch.Entry], first: int = 0) -> Answer:
    """Send entries, whose indexes begin with `first`; in halves if the queue accepts less at once."""
    numbered = sqs_batch.numbered(entries)
    try:
        answer = _client().send_message_batch(QueueUrl=queue_url, Entries=numbered)
        return _read(sqs_batch.read(answer, numbered), first)
    except NoCredentialsError:
        _drop_client(older_than_s=_RENEW_AFTER_S)
        raise
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _STALE_CREDENTIALS:
            _drop_client(older_than_s=0)  # boto3 reads files and variables only when a client is built
        if not code.endswith(_TOO_LONG):
            raise
    if len(entries) == 1:
        return Answer(frozenset(), _TOO_LONG, refused={first: _WHY[_TOO_LONG]})
    half = len(entries) // 2
    left, right = _send(queue_url, entries[:half], first), _send(queue_url, entries[half:], first + half)
    return Answer(
        confirmed=left.confirmed | right.confirmed,
        refusal=left.refusal or right.refusal,
        refused={**left.refused, **right.refused},
    )


def _read(answered: sqs_batch.Answered, first: int) -> Answer:
    reasons = {first + index: _why_never(entry) for index, entry in answered.refused.items()}
    return Answer(
        confirmed=frozenset(first + index for index in answered.confirmed),
        refusal=next((answered.code(index) for index in answered.refused), ""),
        refused={index: why for index, why in reasons.items() if why},
    )


def _why_never(entry: sqs_batch.Entry) -> str:
    """Return why an entry will always be refused; `""` if it may be accepted next time."""
    if entry.get("SenderFault") is not True:
        return ""
    if _SAYS_TOO_LONG in str(entry.get("Message")):
        return _WHY[_TOO_LONG]
    return _WHY[_BAD_TEXT] if entry.get("Code") == _BAD_TEXT else ""


def _client() -> "SQSClient":
    global _made  # noqa: PLW0603  (one client per process; botocore's clients are thread-safe once built)
    options = _Options(conf.region(), conf.CONNECT_TIMEOUT_S.get(), conf.READ_TIMEOUT_S.get())
    with _lock:
        if _made is None or _made.options != options:
            _made = _Made(_build(options), options, _now_s())
        return _made.client


def _build(options: _Options) -> "SQSClient":
    config = Config(
        connect_timeout=options.connect_timeout_s,
        read_timeout=options.read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPT_COUNT},
        max_pool_connections=_POOL_CONNECTIONS,
        tcp_keepalive=True,
    )
    # A session of its own: building from boto3's default session is not thread-safe.
    client: SQSClient = boto3.session.Session().client("sqs", region_name=options.region, config=config)
    return client


def _drop_client(*, older_than_s: float) -> None:
    global _made  # noqa: PLW0603  (as above)
    with _lock:
        if _made is not None and _now_s() - _made.made_at_s >= older_than_s:
            _made = None


def _now_s() -> float:
    return time.monotonic()


@in_child
def _start_afresh() -> None:
    global _lock, _made  # noqa: PLW0603  (a forked child may share neither the lock nor the connections)
    _lock = threading.Lock()
    _made = None
