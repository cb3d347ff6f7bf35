"""What is asked of AWS, how often, and what the page shows of an AWS that does not answer."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.ops.watch.fake_aws import NOW_MS, REQUESTS, STACK, TELLS_NOTHING, WELL, FakeClient, depth
from whyness_ops.aws import Aws
from whyness_ops.errors import NotFound
from whyness_ops.live import watching
from whyness_ops.live.part import NOT_YET, SLOW
from whyness_ops.live.watching import DEPTH_S, LOG_S, METRICS_S, Watch
from whyness_ops.watch.facts import METRIC_COUNT


class World:
    """AWS, whose calls are counted, and a clock."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.answers = dict(WELL)
        self.calls = Counter[str]()
        self.since_ms: list[int] = []
        self.metric_count = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def now_ms(self) -> int:
        """Return the time."""
        return NOW_MS + int(self.now_s * 1000)

    def client(self, service: str) -> "CountingClient":
        """Return a client that counts."""
        return CountingClient(service, self)


class CountingClient(FakeClient):
    """Counts the calls; waits in each until `go_on`."""

    def __init__(self, service: str, world: World) -> None:
        super().__init__(service, world.answers)
        self._world = world

    def filter_log_events(self, **request: Any) -> Any:
        """As boto3's client."""
        self._world.since_ms.append(request["startTime"])
        return self._answer("logs")

    def get_metric_data(self, **request: Any) -> Any:
        """As boto3's client."""
        self._world.metric_count = len(request["MetricDataQueries"])
        return self._answer("metrics")

    def _answer(self, name: str) -> Any:
        assert name in REQUESTS
        self._world.calls[name] += 1
        self._world.go_on.wait(20)
        answer = self._world.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An AWS where all is well."""
    world = World()
    monkeypatch.setattr(Aws, "_client", lambda _, service: world.client(service))
    yield world
    world.go_on.set()


@pytest.fixture
def watch(world: World) -> Watch:
    """A page's watch over it."""
    return Watch(Aws(), STACK, None, now_ms=world.now_ms, now_s=lambda: world.now_s)


def test_nobody_looks_nothing_is_asked(world: World, watch: Watch) -> None:
    """A hidden tab does not look."""
    world.now_s += 3600

    assert watch.demo is None
    assert world.calls == {}


def test_ten_tabs_ask_as_often_as_one(world: World, watch: Watch) -> None:
    """The log every 2 s, depths every 5 s, metrics once a minute."""
    for second in range(60):
        world.now_s = float(second)
        for _ in range(10):
            watch.look()

    wanted = {"logs": 60 / LOG_S, "queue": 60 / DEPTH_S, "dead": 60 / DEPTH_S, "metrics": 60 / METRICS_S}
    assert world.calls == wanted


def test_the_cost_is_that_of_what_is_asked(world: World, watch: Watch) -> None:
    """Of as many metrics as a question has."""
    found = watch.look()

    assert world.metric_count == METRIC_COUNT
    assert f"{METRIC_COUNT * 60} metrics" in found["cost"]
    assert "$0.00" in found["cost"]
    assert "hidden tab" in found["cost"]


def test_what_is_known_is_shown(watch: Watch) -> None:
    """Of a stack that is well: no fault, no buttons."""
    found = watch.look()

    tiles = {tile["name"]: tile["value"] for tile in found["tiles"]}
    assert tiles["Out"] == "20.0"
    assert tiles["Backlog"] == "5"
    assert found["headline"]["level"] == "well"
    assert (found["stack"], found["faults"], found["buttons"]) == ("s", [], None)
    assert len(found["chart"]["samples"]) == 1


@pytest.mark.parametrize("answer", TELLS_NOTHING, ids=str)
@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("logs", "the log"),
        ("queue", "the queue"),
        ("dead", "the dead-letter queue"),
        ("metrics", "the metrics"),
    ],
)
def test_what_aws_does_not_tell_is_a_sentence_and_the_page_goes_on(
    world: World, watch: Watch, name: str, part: str, answer: Any
) -> None:
    """Denied, throttled, missing, unreachable, slow, empty: the others are shown, and it comes back."""
    world.answers[name] = answer

    ill = watch.look()
    world.answers[name] = WELL[name]
    world.now_s += METRICS_S
    well = watch.look()

    assert [fault.partition(":")[0] for fault in ill["faults"]] == [part]
    assert len(ill["tiles"]) == 8
    assert well["faults"] == []


def test_an_error_that_nobody_thought_of_stops_nothing(world: World, watch: Watch) -> None:
    """It is shown in place of its part."""
    world.answers["queue"] = RuntimeError("odd")

    assert watch.look()["faults"] == ["the queue: RuntimeError: odd"]


def test_a_slow_aws_keeps_nobody_waiting(world: World, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call is made once, the page says that no answer comes, and shows it when it has come."""
    monkeypatch.setattr(watching, "_PATIENCE_S", 0.01)
    world.go_on.clear()

    first = watch.look()
    world.now_s += 30
    later = watch.look()
    calls = world.calls.copy()
    monkeypatch.setattr(watching, "_PATIENCE_S", 20)
    world.go_on.set()
    watch.look()
    world.now_s += 1
    at_last = watch.look()

    assert {fault.partition(": ")[2] for fault in first["faults"]} == {NOT_YET.why}
    assert {fault.partition(": ")[2] for fault in later["faults"]} == {SLOW.why}
    assert set(calls.values()) == {1}
    assert at_last["faults"] == []


def test_after_a_pause_the_log_is_read_from_the_kept_minutes_only(world: World, watch: Watch) -> None:
    """Not all that was written while nobody looked; and nothing is counted twice."""
    watch.look()
    world.now_s += 2
    watch.look()
    world.answers["logs"] = {"events": []}
    world.now_s += 7200
    found = watch.look()

    assert world.since_ms[0] == NOW_MS - 900_000
    assert world.since_ms[1] > world.since_ms[0]
    assert world.since_ms[2] == NOW_MS + 7_202_000 - 900_000
    assert found["invocations"] == []


def test_without_a_simulator_there_is_nothing_to_press(watch: Watch) -> None:
    """On AWS."""
    with pytest.raises(NotFound, match="in the demo only"):
        watch.press("outage")


def test_samples_are_those_of_the_kept_minutes(world: World, watch: Watch) -> None:
    """An open tab does not fill the memory."""
    world.answers["queue"] = depth(1, 1)
    for _ in range(200):
        world.now_s += DEPTH_S
        watch.look()

    assert len(watch._samples) == 180
