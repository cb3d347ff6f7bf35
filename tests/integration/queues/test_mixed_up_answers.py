"""What is confirmed is stored, in each place that calls SQS, however its answers are mixed up."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import boto3
import pytest
from botocore import endpoint
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.django_support import override
from tests.integration.queues.mixed_up_sqs import MANNERS, MixedUpSqs
from whyness_events.delivery.aws.clients import LazyClient
from whyness_events.delivery.aws.dead_letter_queue import SqsDeadLetterQueue
from whyness_events.delivery.aws.source_queue import SqsSourceQueue
from whyness_events.delivery.clock import SystemClock
from whyness_events.delivery.ports import DeadLetter
from whyness_events.log_entry import LogKey
from whyness_mixpanel.backends import sqs
from whyness_ops import Aws, DeadLetterQueue, Redrive, Selection, SetupFault, Snapshot, Stack, Stop
from whyness_ops.dead_letter_message import read_dead_letter
from whyness_ops.dead_letter_queue import Hold
from whyness_ops.redriven import Redriven
from whyness_ops.resend import Resend

PATIENCE_S = 60.0
QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/events"
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Place:
    """One place that calls SQS.

    Args:
        call: makes one call with these keys; returns those that are confirmed, or how many are.
        close: drops the connections that are kept.
    """

    call: Callable[[Sequence[str]], set[str] | int]
    close: Callable[[], None]


def make_client(url: str, service: str = "sqs") -> Any:
    """Return a client as our own are: one that keeps its connections, and tries twice."""
    session: Any = boto3.Session("local", "local", region_name="eu-west-1")
    retries: Any = {"mode": "standard", "total_max_attempts": 2}
    config = Config(proxies={}, retries=retries, read_timeout=20, max_pool_connections=50)
    return session.client(service, endpoint_url=url, config=config)


def dead_letters(url: str) -> Iterator[Place]:
    """The Lambda's dead letters."""
    lazy = LazyClient("sqs", partial(make_client, url))
    port = SqsDeadLetterQueue(QUEUE_URL, lazy, clock := SystemClock())

    def send(keys: Sequence[str]) -> set[str]:
        letters = [DeadLetter(key, {"reason": "rejected"}, LogKey(key, "sk")) for key in keys]
        found = port.send(letters, deadline_s=clock.monotonic_s() + PATIENCE_S)
        return {key for key, message_id in zip(keys, found, strict=True) if message_id}

    yield Place(send, lazy.close)


def source_queue(url: str, *, deletes: bool) -> Iterator[Place]:
    """The Lambda's source queue."""
    lazy = LazyClient("sqs", partial(make_client, url))
    port = SqsSourceQueue(QUEUE_URL, lazy, clock := SystemClock())

    def call(keys: Sequence[str]) -> int:
        deadline_s = clock.monotonic_s() + PATIENCE_S
        if deletes:
            return port.delete(keys, deadline_s=deadline_s)
        return port.delay([(key, 60) for key in keys], deadline_s=deadline_s)

    yield Place(call, lazy.close)


def publisher(url: str) -> Iterator[Place]:
    """The app's backend."""
    client = make_client(url)

    def publish(keys: Sequence[str]) -> set[str]:
        try:
            return {keys[index] for index in sqs.publish(keys).confirmed}
        except (BotoCoreError, ClientError):
            return set()

    with pytest.MonkeyPatch.context() as patch, override(BACKEND="sqs", QUEUE_URL=QUEUE_URL):
        patch.setattr(sqs, "_made", None)
        patch.setattr(sqs, "_build", lambda _: client)
        yield Place(publish, client.close)


def redrive(url: str) -> Iterator[Place]:
    """The operator's redrive."""
    aws = Aws()
    vars(aws)["sqs"] = client = make_client(url)
    made = Redrive(aws, Stack(QUEUE_URL, QUEUE_URL, "Log"), Selection())

    def send(keys: Sequence[str]) -> set[str]:
        try:
            return {resend.body for resend in made._send([_resend(key) for key in keys], Redriven())}
        except SetupFault:
            return set()

    yield Place(send, client.close)


def letter_deletes(url: str) -> Iterator[Place]:
    """What the operator's tools delete."""
    client = make_client(url)

    def delete(keys: Sequence[str]) -> int:
        hold = Hold(DeadLetterQueue(client, QUEUE_URL), Stop(), Snapshot())
        letters = [_resend(key).dead_letter for key in keys]
        hold._handles = {key: key for key in keys}
        try:
            return len(keys) - hold.delete(letters)
        except SetupFault:
            return 0

    yield Place(delete, client.close)


def _resend(key: str) -> Resend:
    attributes = {"log_key": {"StringValue": str(LogKey(key, "0" * 16))}}
    received = {"MessageId": key, "ReceiptHandle": key, "Body": key, "MessageAttributes": attributes}
    return Resend(read_dead_letter(received), key)


PLACES: dict[str, Callable[[str], Iterator[Place]]] = {
    "dead letters": dead_letters,
    "delays": partial(source_queue, deletes=False),
    "deletes": partial(source_queue, deletes=True),
    "publisher": publisher,
    "redrive": redrive,
    "letter deletes": letter_deletes,
}


@pytest.fixture(scope="module", params=PLACES)
def peer_and_place(request: pytest.FixtureRequest) -> Iterator[tuple[MixedUpSqs, Place]]:
    """SQS with mixed-up answers, and one of the places that call it."""
    with MixedUpSqs() as peer, pytest.MonkeyPatch.context() as patch:
        patch.setattr(endpoint, "time", _NoSleep)
        for place in PLACES[request.param](peer.url):
            yield peer, place
            place.close()


class _NoSleep:
    """Time, for botocore's pauses."""

    @staticmethod
    def sleep(_: float) -> None:
        """Take none."""


def believed(peer: MixedUpSqs, place: Place, count: int) -> str:
    """Make a call with `count` keys; return what is wrong with what it believes."""
    keys = [f"key-{next(_numbers)}" for _ in range(count)]
    found = place.call(keys)
    stored = peer.stored & set(keys)
    wrong = found > len(stored) if isinstance(found, int) else not found <= stored
    return f"confirmed {found}, stored {stored}" if wrong else ""


HISTORIES = st.lists(st.sampled_from(sorted(MANNERS)), min_size=1, max_size=8)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES, counts=st.lists(st.integers(1, 10), min_size=6, max_size=6))
@example(history=["early_hints", "failing", "failing"], counts=[10] * 6)
@example(history=["early_hints", "shifted", "shifted", "refused"], counts=[3] * 6)
@example(history=["true", "unasked", "unasked"], counts=[1] * 6)
@example(history=["counted", "both_lists", "altered", "partly"], counts=[10] * 6)
def test_what_is_confirmed_is_stored(
    peer_and_place: tuple[MixedUpSqs, Place], history: list[str], counts: list[int]
) -> None:
    """Late, twice, unasked, altered, cut or in pieces: an answer counts for the entries it was meant for."""
    peer, place = peer_and_place
    place.close()
    peer.history.clear()
    peer.history.extend(history)

    faults = [fault for count in counts if (fault := believed(peer, place, count))]

    assert faults == []


@pytest.mark.parametrize("name", sorted(MANNERS))
def test_what_is_confirmed_is_stored_also_with_many_threads(
    peer_and_place: tuple[MixedUpSqs, Place], name: str
) -> None:
    """Connections go from one thread to the next, with whatever is still to come on them."""
    peer, place = peer_and_place
    peer.history.clear()
    peer.history.extend([name, "shifted", "failing", "true", name, "unasked", "twice"] * 4)

    with ThreadPoolExecutor(6) as threads:
        faults = list(threads.map(lambda count: believed(peer, place, count), [1, 10, 3] * 10))

    assert [fault for fault in faults if fault] == []


def test_a_true_answer_confirms_everything(peer_and_place: tuple[MixedUpSqs, Place]) -> None:
    """Care must not cost what is well: whole, in pieces or after a 100, what is stored is confirmed."""
    peer, place = peer_and_place
    place.close()
    peer.history.clear()
    peer.history.extend(["true", "in_pieces", "read_past"])

    for _ in range(3):
        keys = [f"key-{next(_numbers)}" for _ in range(10)]
        assert place.call(keys) in (10, set(keys))
