import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.stub import Stubber

from tests.django_support import override
from whyness_mixpanel import conf
from whyness_mixpanel.backends import Answer, sqs

ROOT = Path(__file__).parents[3]
QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/events"


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """A real client whose answers the test writes; it refuses calls other than those expected."""
    client = boto3.session.Session("key", "secret", region_name="eu-west-1").client("sqs")
    monkeypatch.setattr(sqs, "_made", None)
    monkeypatch.setattr(sqs, "_build", lambda _options: client)
    with Stubber(client) as stubber, override(BACKEND="sqs", QUEUE_URL=QUEUE_URL):
        yield stubber
        stubber.assert_no_pending_responses()


def taken(*ids: str) -> list[dict[str, str]]:
    """Return SQS's words for entries that it has taken."""
    return [{"Id": id_, "MessageId": "m", "MD5OfMessageBody": "0"} for id_ in ids]


def test_messages_are_sent_in_one_call_and_in_the_live_group(stub: Stubber) -> None:
    """The group keeps a backfill from delaying today's events."""
    expected = {
        "QueueUrl": QUEUE_URL,
        "Entries": [
            {"Id": "0", "MessageBody": "a", "MessageGroupId": "live"},
            {"Id": "1", "MessageBody": "b", "MessageGroupId": "live"},
        ],
    }
    stub.add_response("send_message_batch", {"Successful": taken("0", "1"), "Failed": []}, expected)

    assert sqs.publish(["a", "b"]) == Answer(frozenset({0, 1}))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            {
                "Successful": taken("1"),
                "Failed": [{"Id": "0", "SenderFault": False, "Code": "InternalError", "Message": "secret"}],
            },
            Answer(frozenset({1}), "InternalError"),
        ),
        ({"Successful": taken("1"), "Failed": []}, Answer(frozenset({1}))),
        ({"Successful": taken("0", "7", "", "x"), "Failed": []}, Answer(frozenset({0}))),
    ],
)
def test_only_entries_named_as_successful_are_confirmed(
    answer: dict[str, Any], expected: Answer, stub: Stubber
) -> None:
    """HTTP 200 may carry refusals, leave entries out, or name what was not sent."""
    stub.add_response("send_message_batch", answer)

    assert sqs.publish(["a", "b"]) == expected


def test_without_a_queue_url_nothing_is_called() -> None:
    """The fault names the setting that is missing."""
    with override(BACKEND="sqs"), pytest.raises(conf.SettingError, match="QUEUE_URL"):
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


def test_a_backfill_has_a_group_of_its_own(stub: Stubber) -> None:
    """SQS then serves today's events first."""
    entries = [{"Id": "0", "MessageBody": "a", "MessageGroupId": "backfill"}]
    expected = {"QueueUrl": QUEUE_URL, "Entries": entries}
    stub.add_response("send_message_batch", {"Successful": taken("0"), "Failed": []}, expected)

    assert sqs.publish(["a"], group="backfill") == Answer(frozenset({0}))


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


@pytest.mark.parametrize("code", sorted(sqs._STALE_CREDENTIALS))
def test_credentials_that_aws_does_not_take_any_more_are_read_again(stub: Stubber, code: str) -> None:
    """boto3 reads a file only where a client is made; the call itself fails as it did."""
    stub.add_client_error("send_message_batch", code)

    with pytest.raises(ClientError):
        sqs.publish(["a"])

    assert sqs._made is None


def test_other_refusals_keep_the_client(stub: Stubber) -> None:
    """Making one takes time."""
    stub.add_client_error("send_message_batch", "AccessDenied")

    with pytest.raises(ClientError):
        sqs.publish(["a"])

    assert sqs._made is not None


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


def expect(stub: Stubber, *bodies: tuple[int, str], error: str = "") -> None:
    """Expect a call with these entries, and let it be taken or refused."""
    entries = [{"Id": str(index), "MessageBody": body, "MessageGroupId": "live"} for index, body in bodies]
    sent = {"QueueUrl": QUEUE_URL, "Entries": entries}
    if error:
        stub.add_client_error("send_message_batch", error, expected_params=sent)
    else:
        ids = [str(index) for index, _ in bodies]
        stub.add_response("send_message_batch", {"Successful": taken(*ids), "Failed": []}, sent)


def test_a_call_longer_than_the_queue_takes_goes_in_halves(stub: Stubber) -> None:
    """A queue made before August 2025 takes 256 KiB at once; one message that is too long is named."""
    expect(stub, (0, "a"), (1, "b"), (2, "c"), error=TOO_LONG)
    expect(stub, (0, "a"))
    expect(stub, (1, "b"), (2, "c"), error=TOO_LONG)
    expect(stub, (1, "b"), error=TOO_LONG)
    expect(stub, (2, "c"))

    answer = sqs.publish(["a", "b", "c"])

    assert (answer.confirmed, answer.refusal) == (frozenset({0, 2}), "BatchRequestTooLong")
    assert list(answer.refused) == [1]
    assert "MaximumMessageSize" in answer.refused[1]


@pytest.mark.parametrize("code", ["AccessDenied", "KmsDisabled", "RequestThrottled", "InvalidParameterValue"])
def test_any_other_fault_of_a_call_is_the_callers(stub: Stubber, code: str) -> None:
    """It says nothing about the messages."""
    expect(stub, (0, "a"), (1, "b"), error=code)

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
    entry: dict[str, Any], expected: str, stub: Stubber
) -> None:
    """A set-up that is wrong refuses every message as the sender's fault: that says nothing about them."""
    stub.add_response("send_message_batch", {"Successful": taken("1"), "Failed": [{"Id": "0", **entry}]})

    answer = sqs.publish(["a", "b"])

    assert answer.confirmed == frozenset({1})
    assert list(answer.refused) == ([0] if expected else [])
    assert expected in answer.refused.get(0, "")


def test_a_message_that_is_taken_and_refused_at_once_is_taken(stub: Stubber) -> None:
    """An answer that contradicts itself must not make an event wait for a person."""
    failed = [{"Id": "0", "SenderFault": True, "Code": "InvalidMessageContents"}]
    stub.add_response("send_message_batch", {"Successful": taken("0"), "Failed": failed})

    answer = sqs.publish(["a"])

    assert (answer.confirmed, dict(answer.refused)) == (frozenset({0}), {})
