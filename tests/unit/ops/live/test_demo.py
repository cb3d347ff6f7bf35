"""The buttons: each trouble is one of the simulator's, and has its undo."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local.loopback import free_port
from local.mixpanel_simulator import MixpanelSimulator
from tests.loopback import LoopbackServer, Response, Trouble
from tests.unit.mixpanel_simulator.builders import make_events
from tests.unit.mixpanel_simulator.wire import send
from whyness_events import decode_message, parse_event
from whyness_ops.aws import Aws
from whyness_ops.errors import NotFound, SetupFault
from whyness_ops.live.demo import EVENTS_PER_S, Demo
from whyness_ops.live.simulator import TROUBLES, is_loopback
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop

STACK = Stack(queue_url="http://127.0.0.1:1/1/q", dead_letter_queue_url="http://127.0.0.1:1/1/d")


class FakeSqs:
    """Takes messages."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def send_message_batch(self, *, Entries: list[dict[str, str]], **_: Any) -> dict[str, Any]:  # noqa: N803  (boto3's name)
        """As boto3's client."""
        self.bodies += [entry["MessageBody"] for entry in Entries]
        return {"Successful": Entries}


@pytest.fixture
def simulator() -> Iterator[MixpanelSimulator]:
    """Mixpanel on this machine."""
    with MixpanelSimulator(project_id="123", account="acct", password="pw") as simulator:
        yield simulator


@pytest.fixture
def sqs() -> FakeSqs:
    """The queue."""
    return FakeSqs()


@pytest.fixture
def demo(simulator: MixpanelSimulator, sqs: FakeSqs) -> Demo:
    """Its buttons."""
    return Demo(simulator.url, cast("Aws", SimpleNamespace(sqs=sqs)), STACK, Stop())


def on(demo: Demo) -> set[str]:
    """Return the names of the buttons that are on."""
    return {button["name"] for button in demo.buttons() if button["is_on"]}


def status_of(simulator: MixpanelSimulator) -> int:
    """Return what Mixpanel answers to a good event."""
    return send(simulator.url, make_events(1)).status_code


@pytest.mark.parametrize("name", TROUBLES)
def test_each_trouble_is_undone_by_its_button_and_by_the_fix(
    demo: Demo, simulator: MixpanelSimulator, name: str
) -> None:
    """And leaves nothing behind."""
    before = (simulator.faults.listed(), simulator.core.shown_settings())

    for undo in (name, "fix"):
        demo.press(name)
        assert on(demo) == {name}
        demo.press(undo)
        assert on(demo) == set()

    assert (simulator.faults.listed(), simulator.core.shown_settings()) == before
    assert status_of(simulator) == 200


@pytest.mark.parametrize(("name", "status"), [("outage", 503), ("password", 401), ("reject", 400)])
def test_a_trouble_is_what_its_name_says(
    demo: Demo, simulator: MixpanelSimulator, name: str, status: int
) -> None:
    """Mixpanel answers so."""
    demo.press(name)

    assert status_of(simulator) == status


def test_the_fix_ends_all_and_leaves_the_faults_of_others(demo: Demo, simulator: MixpanelSimulator) -> None:
    """Those of a chaos run or of a person."""
    simulator.faults.add(name="mine", next_requests=1, status=504)
    for name in TROUBLES:
        demo.press(name)

    demo.press("fix")

    assert on(demo) == set()
    assert [fault["name"] for fault in simulator.faults.listed()] == ["mine"]


def test_another_page_sees_and_ends_the_troubles_of_this_one(
    simulator: MixpanelSimulator, demo: Demo
) -> None:
    """The simulator holds them, not the command, which may have been started again."""
    for name in TROUBLES:
        demo.press(name)
    other = Demo(simulator.url, Aws(), STACK, Stop())

    seen = on(other)
    other.press("fix")

    assert seen == set(TROUBLES)
    assert status_of(simulator) == 200


def test_events_are_sent_while_the_button_is_on(demo: Demo, sqs: FakeSqs) -> None:
    """Good ones, each with an id of its own."""
    demo.send_due()
    demo.press("send")
    demo.send_due()
    demo.send_due()
    demo.press("send")
    demo.send_due()

    raw: list[Any] = [event for body in sqs.bodies for event in decode_message(body).raw_events]
    events = [parse_event(event, now_ms=event["time"]) for event in raw]
    assert len({event.insert_id for event in events}) == 2 * EVENTS_PER_S == demo.sent_count


def test_a_simulator_that_is_gone_is_a_sentence() -> None:
    """With what to do."""
    demo = Demo(f"http://127.0.0.1:{free_port()}", Aws(), STACK, Stop())

    for act in (demo.buttons, lambda: demo.press("outage"), lambda: demo.press("fix")):
        with pytest.raises(SetupFault, match="make demo KEEP=1"):
            act()


@pytest.mark.parametrize(
    "answer", [Trouble.RESET, Trouble.GARBAGE, b"", b"5", b"null", b"[5]", b'{"a":1}', b"\xff"]
)
def test_another_program_at_its_address_is_a_sentence(answer: Trouble | bytes) -> None:
    """Whatever it answers, and where it does not."""
    respond = answer if isinstance(answer, Trouble) else Response(body=answer)
    with LoopbackServer(lambda _: respond) as server:
        demo = Demo(server.url, Aws(), STACK, Stop())

        for act in (demo.buttons, lambda: demo.press("reject"), lambda: demo.press("fix")):
            with pytest.raises(SetupFault, match="make demo KEEP=1"):
                act()


def test_a_button_that_is_not_there_is_said(demo: Demo) -> None:
    """Whatever its name."""
    with pytest.raises(NotFound, match="does not exist here"):
        demo.press("../../import")


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("http://127.0.0.1:4566/1/q", True),
        ("http://localhost:1", True),
        ("http://[::1]:1/", True),
        ("", False),
        ("https://sqs.eu-west-1.amazonaws.com/1/q", False),
        ("https://api.mixpanel.com", False),
        ("http://127.0.0.1.evil.example/", False),
        ("http://127.0.0.1@evil.example/", False),
        ("http://10.0.0.1/", False),
        ("file://127.0.0.1/etc/passwd", False),
        ("http://[", False),
    ],
)
def test_only_this_machine_is_this_machine(url: str, is_here: bool) -> None:  # noqa: FBT001  (a table)
    """A button that breaks something must not reach anything of others."""
    assert is_loopback(url) is is_here
