import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from tests.aws_stub.sqs_rules import check_call, digests
from tests.django_support import override
from whyness_mixpanel import conf
from whyness_mixpanel.backends import Answer, sqs

ROOT = Path(__file__).parents[4]
QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/events"


Entries = Sequence[dict[str, str]]


class FakeQueue:
    """A client that takes every entry but those of `failed`, by body; `refuse` refuses a call as a whole."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[str, str]]] = []
        self.failed: dict[str, dict[str, Any]] = {}
        self.silent: set[str] = set()
        self.refuse: Callable[[Entries], str] = lambda _: ""

    def send_message_batch(self, *, QueueUrl: str, Entries: Entries) -> dict[str, Any]:  # noqa: N803  (SQS's)
        """Answer as SQS does."""
        assert QueueUrl == QUEUE_URL
        check_call(Entries)
        self.calls.append([(entry["MessageBody"], entry["MessageGroupId"]) for entry in Entries])
        if code := self.refuse(Entries):
            raise ClientError({"Error": {"Code": code}}, "SendMessageBatch")
        failed = [entry for entry in Entries if entry["MessageBody"] in self.failed]
        taken = [each for each in Entries if each not in failed and each["MessageBody"] not in self.silent]
        return {
            "Successful": [{"Id": entry["Id"], "MessageId": "m", **digests(entry)} for entry in taken],
            "Failed": [{"Id": entry["Id"], **self.failed[entry["MessageBody"]]} for entry in failed],
        }


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeQueue]:
    """The queue behind the backend."""
    fake = FakeQueue()
    monkeypatch.setattr(sqs, "_made", None)
    monkeypatch.setattr(sqs, "_build", lambda _options: fake)
    with override(BACKEND="sqs", QUEUE_URL=QUEUE_URL):
        yield fake


@pytest.mark.parametrize("group", ["live", "backfill"])
def test_messages_are_sent_in_one_call_and_in_their_group(queue: FakeQueue, group: str) -> None:
    """The group keeps a backfill from delaying today's events."""
    assert sqs.publish(["a", "b"], group=group) == Answer(frozenset({0, 1}))
    assert queue.calls == [[("a", group), ("b", group)]]


def test_messages_are_live_events_unless_said_otherwise(queue: FakeQueue) -> None:
    """SQS serves the groups of a fair queue in turn."""
    sqs.publish(["a"])

    assert queue.calls == [[("a", "live")]]


def test_only_entries_named_as_successful_are_confirmed(queue: FakeQueue) -> None:
    """HTTP 200 may carry refusals, and leave entries out."""
    queue.failed["a"] = {"SenderFault": False, "Code": "InternalError", "Message": "secret"}
    queue.silent.add("c")

    assert sqs.publish(["a", "b", "c"]) == Answer(frozenset({1}), "InternalError")


def test_without_a_queue_url_nothing_is_called() -> None:
    """The fault names the setting that is missing."""
    with override(BACKEND="sqs"), pytest.raises(conf.SettingError, match="QUEUE_URL is not set"):
        sqs.publish(["a"])


def test_one_client_serves_the_process_until_its_settings_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Building one takes a tenth of a second: it is built lazily, and kept."""
    built: list[sqs._Options] = []

    def build(options: sqs._Options) -> object:
        built.append(options)
        return object()

    monkeypatch.setattr(sqs, "_made", None)
    monkeypatch.setattr(sqs, "_build", build)

    with override(REGION="eu-west-1"):
        first, second = sqs._client(), sqs._client()
    with override(REGION="eu-west-1", READ_TIMEOUT_S=0.5):
        third = sqs._client()

    assert first is second
    assert third is not first
    assert [(o.region, o.connect_timeout_s, o.read_timeout_s) for o in built] == [
        ("eu-west-1", 1.0, 2.0),
        ("eu-west-1", 1.0, 0.5),
    ]


def test_a_client_waits_only_as_long_as_the_settings_say() -> None:
    """Botocore's own timeouts are a minute each, with more attempts."""
    client = sqs._build(sqs._Options("eu-west-1", connect_timeout_s=0.25, read_timeout_s=0.75))

    config: Any = client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (0.25, 0.75)
    assert config.retries["total_max_attempts"] == 2
    assert config.max_pool_connections == 50
    assert client.meta.region_name == "eu-west-1"


@pytest.mark.parametrize(("age_s", "kept"), [(59.0, True), (60.0, False)])
def test_a_client_without_credentials_is_replaced_after_a_minute(
    age_s: float, *, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would never get any; asking the whole chain at every page would slow each of them."""

    class WithoutCredentials:
        def send_message_batch(self, **_: object) -> None:
            raise NoCredentialsError

    client: Any = WithoutCredentials()
    with override(BACKEND="sqs", QUEUE_URL=QUEUE_URL):
        options = sqs._Options(conf.region(), 1.0, 2.0)
        monkeypatch.setattr(sqs, "_made", sqs._Made(client, options, 1_000.0))
        monkeypatch.setattr(sqs, "_now_s", lambda: 1_000.0 + age_s)

        with pytest.raises(NoCredentialsError):
            sqs.publish(["a"])

    assert (sqs._made is not None) == kept


@pytest.mark.parametrize("code", [*sorted(sqs._STALE_CREDENTIALS), "AccessDenied"])
def test_credentials_that_aws_does_not_take_any_more_are_read_again(queue: FakeQueue, code: str) -> None:
    """boto3 reads a file only where a client is made, which takes time: other refusals keep the client."""
    queue.refuse = lambda _: code

    with pytest.raises(ClientError):
        sqs.publish(["a"])

    assert (sqs._made is None) == (code != "AccessDenied")


def test_a_forked_worker_makes_a_client_of_its_own() -> None:
    """Connections cannot be shared, and the lock may have been held by a thread that the child lacks."""
    script = """
import os
from whyness_mixpanel.backends import sqs
parents = sqs._Made(object(), sqs._Options(None, 1.0, 2.0), 0.0)
sqs._made = parents
sqs._lock.acquire()
child = os.fork()
if child == 0:
    os._exit(0 if sqs._made is None and sqs._lock.acquire(timeout=1) else 1)
_, status = os.waitpid(child, 0)
raise SystemExit(os.waitstatus_to_exitcode(status) or sqs._made is not parents)
"""
    done = subprocess.run(  # noqa: S603  (the test's own script)
        [sys.executable, "-c", script], cwd=ROOT, env=environment(), timeout=60, check=False
    )

    assert done.returncode == 0


def environment() -> dict[str, str]:
    """Return this process's environment, with the paths that the tests import from."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "functions" / "send_events")])
    return os.environ | {"PYTHONPATH": paths, "DJANGO_SETTINGS_MODULE": "tests.django_settings"}


TOO_LONG = "AWS.SimpleQueueService.BatchRequestTooLong"


def test_a_call_longer_than_the_queue_takes_goes_in_halves(queue: FakeQueue) -> None:
    """A queue made before August 2025 takes 256 KiB at once; one message that is too long is named."""
    queue.refuse = lambda entries: TOO_LONG if len("".join(e["MessageBody"] for e in entries)) > 2 else ""

    answer = sqs.publish(["a", "bbb", "c"])

    sent = [[body for body, _ in call] for call in queue.calls]
    assert sent == [["a", "bbb", "c"], ["a"], ["bbb", "c"], ["bbb"], ["c"]]
    assert (answer.confirmed, answer.refusal) == (frozenset({0, 2}), "BatchRequestTooLong")
    assert list(answer.refused) == [1]
    assert "MaximumMessageSize" in answer.refused[1]


@pytest.mark.parametrize("code", ["AccessDenied", "KmsDisabled", "RequestThrottled", "InvalidParameterValue"])
def test_any_other_fault_of_a_call_is_the_callers(queue: FakeQueue, code: str) -> None:
    """It says nothing about the messages."""
    queue.refuse = lambda _: code

    with pytest.raises(ClientError):
        sqs.publish(["a", "b"])


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"SenderFault": True, "Code": "InvalidMessageContents"}, "characters"),
        (
            {
                "SenderFault": True,
                "Code": "InvalidParameterValue",
                "Message": "Reason: Message must be shorter than 1024 bytes.",
            },
            "MaximumMessageSize",
        ),
        ({"SenderFault": True, "Code": "InvalidParameterValue", "Message": "MessageGroupId"}, ""),
        ({"SenderFault": True, "Code": "KMS.AccessDeniedException"}, ""),
        ({"SenderFault": False, "Code": "InvalidMessageContents"}, ""),
    ],
)
def test_a_message_that_is_never_taken_is_told_from_one_that_may_be(
    entry: dict[str, Any], expected: str, queue: FakeQueue
) -> None:
    """A set-up that is wrong refuses every message as the sender's fault: that says nothing about them."""
    queue.failed["a"] = entry

    answer = sqs.publish(["a", "b"])

    assert answer.confirmed == frozenset({1})
    assert list(answer.refused) == ([0] if expected else [])
    assert expected in answer.refused.get(0, "")
