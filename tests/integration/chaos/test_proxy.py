"""The fault proxy in front of the emulator, as boto3 meets it."""

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from local.chaos.proxy.faults import AwsFault, Effect
from local.chaos.proxy.server import FaultProxy
from local.control import Aws
from local.emulator import REGION, Account

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


def once(account: Account, service: str) -> Any:
    """Return a client that tries once, so that a test sees the fault itself."""
    session = boto3.Session(account.access_key, "local", region_name=REGION)
    config = Config(retries={"total_max_attempts": 1})
    return session.client(service, endpoint_url=account.endpoint, config=config)


@pytest.fixture
def sqs(account: Account) -> "SQSClient":
    """SQS through the proxy, without retries."""
    client: SQSClient = once(account, "sqs")
    return client


@pytest.fixture
def queue_url(sqs: "SQSClient") -> str:
    """An empty queue."""
    return sqs.create_queue(QueueName="events")["QueueUrl"]


def depth(sqs: "SQSClient", queue_url: str) -> int:
    """Return how many messages are in the queue."""
    answer = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def test_without_faults_calls_go_through(sqs: "SQSClient", queue_url: str) -> None:
    """A message that was sent is received, attributes and all."""
    attributes: Any = {"why": {"DataType": "String", "StringValue": "naïve"}}
    sqs.send_message(QueueUrl=queue_url, MessageBody="é", MessageAttributes=attributes)

    [message] = sqs.receive_message(QueueUrl=queue_url, MessageAttributeNames=["All"])["Messages"]

    assert (message["Body"], message["MessageAttributes"]["why"]["StringValue"]) == ("é", "naïve")


@pytest.mark.parametrize(
    ("effect", "error"),
    [("throttle", ("RequestThrottled", 400)), ("unavailable", ("ServiceUnavailable", 503))],
)
def test_sqs_errors_are_typed(
    proxy: FaultProxy, sqs: "SQSClient", queue_url: str, effect: str, error: tuple[str, int]
) -> None:
    """The SDK reads code and status as from AWS, and the call has no effect."""
    proxy.faults.add(AwsFault(effect=Effect(effect), operations=("SendMessage",)))

    with pytest.raises(ClientError) as caught:
        sqs.send_message(QueueUrl=queue_url, MessageBody="x")

    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == error
    assert depth(sqs, queue_url) == 0


def test_dynamodb_throttling_has_its_own_name(proxy: FaultProxy, account: Account) -> None:
    """As DynamoDB calls it."""
    proxy.faults.add(AwsFault(effect=Effect.THROTTLE, operations=("BatchWriteItem",)))
    dynamodb: DynamoDBClient = once(account, "dynamodb")

    with pytest.raises(dynamodb.exceptions.ProvisionedThroughputExceededException):
        dynamodb.batch_write_item(RequestItems={"Log": [{"PutRequest": {"Item": {"pk": {"S": "a"}}}}]})


@pytest.mark.parametrize(("effect", "sent"), [(Effect.DROP_BEFORE, 0), (Effect.DROP_AFTER, 1)])
def test_a_dropped_connection_tells_nothing(
    proxy: FaultProxy, sqs: "SQSClient", queue_url: str, effect: Effect, sent: int
) -> None:
    """Whether the call had its effect, only the queue knows."""
    proxy.faults.add(AwsFault(effect=effect, operations=("SendMessage",)))

    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        sqs.send_message(QueueUrl=queue_url, MessageBody="x")

    assert depth(sqs, queue_url) == sent


def test_a_batch_is_sent_in_part(proxy: FaultProxy, sqs: "SQSClient", queue_url: str) -> None:
    """Failed entries are not in the queue, confirmed ones are."""
    proxy.faults.add(
        AwsFault(effect=Effect.PARTIAL, probability=0.5, operations=("SendMessageBatch",), seed=1)
    )
    entries: Any = [{"Id": str(number), "MessageBody": "x"} for number in range(10)]

    answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)

    assert 0 < len(answer["Failed"]) < 10
    assert len(answer["Failed"]) + len(answer["Successful"]) == 10
    assert depth(sqs, queue_url) == len(answer["Successful"])


def test_items_stay_unprocessed(proxy: FaultProxy, account: Account) -> None:
    """They come back whole, and the others are stored."""
    dynamodb = account.client("dynamodb")
    dynamodb.create_table(
        TableName="Log",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    proxy.faults.add(AwsFault(effect=Effect.PARTIAL, probability=0.5, operations=("BatchWriteItem",), seed=1))
    puts: Any = [{"PutRequest": {"Item": {"pk": {"S": str(number)}}}} for number in range(10)]

    left = dynamodb.batch_write_item(RequestItems={"Log": puts})["UnprocessedItems"]["Log"]

    stored = dynamodb.scan(TableName="Log")["Count"]
    assert 0 < stored < 10
    assert stored + len(left) == 10
    assert all(put in puts for put in left)


def test_faults_are_switched_from_outside(proxy: FaultProxy, sqs: "SQSClient", queue_url: str) -> None:
    """The control page switches them, and counts how often they struck."""
    control = Aws(proxy.url)
    control.add({"effect": "throttle", "operations": ["SendMessage"]})
    with pytest.raises(ClientError):
        sqs.send_message(QueueUrl=queue_url, MessageBody="x")

    struck = control.clear()

    sqs.send_message(QueueUrl=queue_url, MessageBody="x")
    assert struck == 1


def test_a_faulty_fault_is_refused(proxy: FaultProxy) -> None:
    """With the reason."""
    body = json.dumps({"effect": "throttle", "probability": 2}).encode()
    request = urllib.request.Request(f"{proxy.url}/_proxy/faults", body, method="POST")  # noqa: S310  (loopback)

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)  # noqa: S310  (loopback)

    assert caught.value.code == 400
    assert "probability" in caught.value.read().decode()
    caught.value.close()
