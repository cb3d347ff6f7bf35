import json
from collections.abc import Callable, Sequence

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.django_app.rows import failing_after
from whyness_mixpanel import conf
from whyness_mixpanel.backends import BACKFILL_GROUP, LIVE_GROUP, Answer, Publish, all_of
from whyness_mixpanel.models import Outbox
from whyness_mixpanel.sources import backfill_sender
from whyness_mixpanel.sources.backfill_sender import NotPublished, Sender

MARKER = "MARKER-4711"


@pytest.fixture(autouse=True)
def no_pauses(db: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  (needed, not read)
    """No pauses between attempts."""
    monkeypatch.setattr(backfill_sender, "PAUSES_S", ())


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept_s: list[float] = []

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        """Let that much time go by."""
        self.slept_s.append(duration_s)
        self.now_s += duration_s


def make_sender(publish: Publish, clock: Clock, rate: float | None = None) -> tuple[Sender, list[str]]:
    """Return a sender, and the list of the faults it tells."""
    faults: list[str] = []
    made = Sender(
        publish,
        identity="simplified",
        rate=rate,
        monotonic=clock,
        sleep=clock.sleep,
        on_fault=lambda fault, _: faults.append(fault),
    )
    return made, faults


def events(*names: str) -> list[str]:
    """Return events, each too large to share a message."""
    return [json.dumps({"event": name, "user": "7", "x": "x" * 40_000}) for name in names]


def names_in(bodies: Sequence[str]) -> list[str]:
    """Return the names of the events in message bodies."""
    return [event["event"] for body in bodies for event in json.loads(body)["events"]]


def test_its_messages_have_a_group_of_their_own() -> None:
    """Live events carry another one, so that a backfill does not delay them."""
    asked: list[str] = []

    def publish(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:
        asked.append(group)
        return all_of(bodies)

    send, _ = make_sender(publish, Clock())
    send(["{}"])

    assert asked == [BACKFILL_GROUP]


def test_only_what_was_refused_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a pause, under the same bytes."""
    monkeypatch.setattr(backfill_sender, "PAUSES_S", (1, 2))
    answers = iter([Answer(frozenset({0, 2}), "InternalError"), Answer(frozenset({0}))])
    sent: list[list[str]] = []
    clock = Clock()

    def publish(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:  # noqa: ARG001  (a Publish)
        sent.append(names_in(bodies))
        return next(answers)

    send, faults = make_sender(publish, clock)

    assert send(events("a", "b", "c")) == {}
    assert sent == [["a", "b", "c"], ["b"]]
    assert (faults, clock.slept_s) == (["InternalError"], [1])


def test_a_queue_that_stays_away_ends_it_after_every_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault is named without the text, which may quote what was sent."""
    monkeypatch.setattr(backfill_sender, "PAUSES_S", (1, 2))
    clock = Clock()
    send, faults = make_sender(failing_after(0, ValueError(MARKER)), clock)

    with pytest.raises(NotPublished, match=r"^ValueError$"):
        send(events("a"))

    assert clock.slept_s == [1, 2]
    assert faults == ["ValueError", "ValueError"]


def test_a_wrong_setting_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would not be right later."""
    monkeypatch.setattr(backfill_sender, "PAUSES_S", (1, 2))
    clock = Clock()
    send, _ = make_sender(failing_after(0, conf.SettingError("QUEUE_URL", "a URL")), clock)

    with pytest.raises(conf.SettingError):
        send(events("a"))

    assert clock.slept_s == []


def refusing(is_refused: Callable[[str], bool], way: str) -> tuple[Publish, list[str]]:
    """Return a queue that never takes some events, told in one of three ways, and what it took."""
    taken: list[str] = []

    def publish(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:  # noqa: ARG001  (a Publish)
        bad = {index for index, body in enumerate(bodies) if any(map(is_refused, names_in([body])))}
        if bad and way == "call":
            raise ClientError({"Error": {"Code": "InvalidSomething"}}, "SendMessageBatch")
        good = frozenset(range(len(bodies))) - bad
        taken.extend(names_in([bodies[index] for index in sorted(good)]))
        never = dict.fromkeys(bad, "never") if way == "named" else {}
        return Answer(good, "InvalidSomething" if bad else "", refused=never)

    return publish, taken


@given(
    bad=st.sets(st.integers(0, 30)), count=st.integers(1, 30), way=st.sampled_from(["named", "entry", "call"])
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_the_queue_never_takes_is_parked_and_the_others_go(bad: set[int], count: int, way: str) -> None:
    """Whether it names the event, refuses its entry, or refuses the whole call for it."""
    Outbox.objects.all().delete()
    publish, taken = refusing(lambda name: int(name) in bad, way)
    send, _ = make_sender(publish, Clock())
    send(events("1000"))  # something has passed before
    taken.clear()

    refused = send([f'{{"event":"{n}","user":"7"}}' for n in range(count)])

    assert set(refused) == bad & set(range(count))
    assert set(taken) - {"1000"} == {str(n) for n in range(count)} - {str(n) for n in bad}
    rows = Outbox.objects.order_by("id").values_list("state", "user", "identity", "encoded")
    assert sorted(json.loads(encoded)["event"] for *_, encoded in rows) == sorted(str(n) for n in refused)
    assert {tuple(each) for *each, _ in rows} <= {("parked", "7", "simplified")}


@pytest.mark.parametrize("way", ["entry", "call"])
def test_no_event_is_blamed_where_nothing_ever_passed(way: str) -> None:
    """It is the queue, the credentials or the network: nothing is parked, and it ends soon."""
    asked: list[int] = []
    refuse, _ = refusing(lambda _: True, way)

    def publish(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:
        asked.append(len(bodies))
        return refuse(bodies, group=group)

    send, _ = make_sender(publish, Clock())

    with pytest.raises(NotPublished, match="InvalidSomething"):
        send([f'{{"event":"{n}"}}' for n in range(500)])

    assert not Outbox.objects.exists()
    assert len(asked) < 40


def test_no_event_is_blamed_while_the_queue_takes_nothing_else() -> None:
    """What passed before must pass again beside the event that is refused alone."""
    taken = iter(range(1))

    def publish(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:  # noqa: ARG001  (a Publish)
        if next(taken, None) is not None:
            return Answer(frozenset(range(len(bodies))) - {0}, "InternalError")
        raise ClientError({"Error": {"Code": "InternalError"}}, "SendMessageBatch")

    send, _ = make_sender(publish, Clock())

    with pytest.raises(NotPublished, match="InternalError"):
        send(events("a", "b", "c"))

    assert not Outbox.objects.exists()


def test_the_rate_is_kept_on_average_and_never_caught_up() -> None:
    """A pause that something else made gives nothing on credit."""
    clock = Clock()
    send, _ = make_sender(all_of, clock, rate=10)

    for _ in range(3):
        send(["{}"] * 10)
    clock.now_s += 60
    send(["{}"] * 5)
    send(["{}"] * 5)

    assert clock.slept_s == [1.0, 1.0, 0.5]
