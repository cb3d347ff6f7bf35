import json
import signal
from collections.abc import Callable, Sequence
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from whyness_mixpanel import counters
from whyness_mixpanel.backends import Answer, all_of, console, dummy, locmem
from whyness_mixpanel.publishing import messages, publisher

MARKER = "MARKER-4711"
EVENT = '{"insert_id":"1"}'
LARGE_EVENT = f'"{"x" * messages.MESSAGE_BYTES}"'

Backend = Callable[[Sequence[str]], Answer]


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Callable[[Backend], None]:
    """Returns a function that makes another one the backend."""

    def use(publish: Backend) -> None:
        monkeypatch.setattr(locmem, "publish", lambda bodies, **_: publish(bodies))

    return use


def fail_with(error: Exception) -> Backend:
    """Return a backend that raises `error`."""

    def publish(_: Sequence[str]) -> Answer:
        raise error

    return publish


def publish_all(encoded: Sequence[str]) -> bool:
    """Publish events; return whether each is confirmed."""
    return all(publisher.publish_each(encoded).confirmed)


def outcome() -> tuple[int, int]:
    """Return the events published and failed."""
    counts = counters.snapshot()
    return counts["published"], counts["failed"]


def test_what_is_confirmed_is_published() -> None:
    """All confirmed: True, and each event is counted, not each message."""
    assert publish_all([EVENT] * 3) is True

    assert outcome() == (3, 0)
    assert len(locmem.messages) == 1


def test_only_confirmed_messages_count(backend: Callable[[Backend], None]) -> None:
    """A partial refusal fails its own events and no others."""
    backend(lambda bodies: Answer(frozenset({1}) & frozenset(range(len(bodies))), "InternalError"))

    assert publish_all([LARGE_EVENT, LARGE_EVENT, LARGE_EVENT]) is False

    assert outcome() == (1, 2)


def test_an_answer_that_confirms_nothing_confirms_nothing(backend: Callable[[Backend], None]) -> None:
    """A result without a reason is not a success."""
    backend(lambda _: Answer(frozenset()))

    assert publish_all([EVENT]) is False

    assert outcome() == (0, 1)


def test_an_answer_about_messages_that_were_not_sent_is_a_failure(
    backend: Callable[[Backend], None],
) -> None:
    """An index out of range means that nothing in this answer can be trusted."""
    backend(lambda _: Answer(frozenset({0, 7})))

    assert publish_all([EVENT]) is False

    assert outcome() == (0, 1)


def test_a_call_that_fails_is_the_last_one(backend: Callable[[Backend], None]) -> None:
    """A page must not wait for a dead queue once per call; what was confirmed before stays confirmed."""
    calls: list[int] = []

    def second_call_times_out(bodies: Sequence[str]) -> Answer:
        calls.append(len(bodies))
        if len(calls) == 2:
            raise TimeoutError
        return all_of(bodies)

    backend(second_call_times_out)

    assert publish_all([LARGE_EVENT] * 35) is False

    assert calls == [10, 10]
    assert outcome() == (10, 25)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(MARKER), "TimeoutError"),
        (RuntimeError(MARKER), "RuntimeError"),
        (ClientError({"Error": {"Code": "AccessDenied", "Message": MARKER}}, "Send"), "AccessDenied"),
        (
            ClientError({"Error": {"Code": f"<{MARKER}>", "Message": ""}}, "Send"),
            "a refusal without a readable code",
        ),
        (ClientError({}, "Send"), "ClientError"),
    ],
)
def test_a_fault_is_told_by_name_and_never_by_its_text(
    error: Exception, expected: str, backend: Callable[[Backend], None]
) -> None:
    """An error's text may quote what was sent, or an address."""
    backend(fail_with(error))

    assert publisher.publish_each([f'"{MARKER}"']).fault == expected


def test_a_time_limit_that_ends_a_job_while_it_publishes_reaches_the_job(
    backend: Callable[[Backend], None],
) -> None:
    """What a signal handler raises is not the queue's fault, whatever its type."""

    def limit(*_: object) -> None:
        raise RuntimeError("the job's time is over")

    def interrupted(_: Sequence[str]) -> Answer:
        signal.raise_signal(signal.SIGALRM)
        raise AssertionError

    backend(interrupted)
    before = signal.signal(signal.SIGALRM, limit)
    try:
        with pytest.raises(RuntimeError, match="the job's time"):
            publish_all([EVENT])
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_keyboard_interrupt_is_not_swallowed(backend: Callable[[Backend], None]) -> None:
    """Only errors are the queue's; leaving the process is not."""

    def interrupted(_: Sequence[str]) -> Answer:
        raise KeyboardInterrupt

    backend(interrupted)

    with pytest.raises(KeyboardInterrupt):
        publish_all([EVENT])


def test_the_console_backend_prints_each_message_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A developer without AWS sees what would be sent."""
    answer = console.publish(["a", "b"])

    assert capsys.readouterr().out == "a\nb\n"
    assert answer == all_of(["a", "b"])


def test_the_dummy_backend_confirms_and_keeps_nothing() -> None:
    """For a site that must not publish and must not notice."""
    assert dummy.publish(["a", "b"]) == Answer(frozenset({0, 1}))


def takes(is_taken: Callable[[str], bool]) -> tuple[Backend, list[str]]:
    """Return a queue that never takes some events, and the list of those that it took."""
    kept: list[str] = []

    def publish(bodies: Sequence[str]) -> Answer:
        events = [[json.dumps(e, separators=(",", ":")) for e in json.loads(b)["events"]] for b in bodies]
        good = {index for index, each in enumerate(events) if all(map(is_taken, each))}
        kept.extend(event for index in sorted(good) for event in events[index])
        refused = {index: "never" for index in range(len(bodies)) if index not in good}
        return Answer(frozenset(good), "X" if refused else "", refused=refused)

    return publish, kept


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_an_event_that_the_queue_never_takes_holds_up_no_other(are_good: list[bool]) -> None:
    """It is found by halving, and its neighbours of the same message are taken, each once."""
    encoded = [
        json.dumps({"n": n, "is_good": is_good}, separators=(",", ":")) for n, is_good in enumerate(are_good)
    ]
    queue, kept = takes(lambda event: '"is_good":true' in event)

    with patch.object(locmem, "publish", lambda bodies, **_: queue(bodies)):
        done = publisher.publish_each(encoded)

    assert done.confirmed == are_good
    assert sorted(kept) == sorted(e for e, is_good in zip(encoded, are_good, strict=True) if is_good)
    assert dict(done.dead) == {n: "never" for n, is_good in enumerate(are_good) if not is_good}


def test_halving_ends_when_it_is_not_wanted_any_more(backend: Callable[[Backend], None]) -> None:
    """What was not told by then has failed: it waits, and is not dead. Its neighbours are taken."""
    queue, _ = takes(lambda event: '"1"' not in event)
    calls: list[int] = []

    def count(bodies: Sequence[str]) -> Answer:
        calls.append(len(bodies))
        return queue(bodies)

    backend(count)
    done = publisher.publish_each(['"1"', '"2"', '"3"', '"4"'], is_wanted=lambda: len(calls) < 2)

    assert calls == [1, 2]
    assert (done.confirmed, dict(done.dead)) == ([False, False, True, True], {})
    assert done.fault


def test_what_is_old_travels_in_a_group_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue serves what is fresh first."""
    groups: list[str] = []

    def note(bodies: Sequence[str], *, group: str) -> Answer:
        groups.append(group)
        return all_of(bodies)

    monkeypatch.setattr(locmem, "publish", note)
    publisher.publish_each([EVENT])
    publisher.publish_each([EVENT], group="backfill")

    assert groups == ["live", "backfill"]
