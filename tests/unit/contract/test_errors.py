"""What goes wrong is told in one safe sentence, and caught by one name."""

import copy
import pickle

import pytest

from whyness_events import (
    EventTooLarge,
    InvalidEvent,
    UnknownVersion,
    UnreadableEvent,
    UnreadableMessage,
    WhynessEventsError,
)

FAULTS = [
    (InvalidEvent("time", "null", "a number"), "time: found null; allowed: a number"),
    (UnreadableEvent("user", "nothing", "a string"), "user: found nothing; allowed: a string"),
    (
        EventTooLarge(1_000_001, 1_000_000),
        "event: found 1000001 bytes of JSON; allowed: at most 1000000 bytes",
    ),
    (UnreadableMessage("body: found nothing; allowed: JSON"), "body: found nothing; allowed: JSON"),
    (UnknownVersion(1), "schema_version: found a version above 1; allowed: 1 to 1"),
]


@pytest.mark.parametrize(("fault", "text"), FAULTS)
def test_text_says_where_what_and_what_is_allowed(fault: WhynessEventsError, text: str) -> None:
    """The text is made of the fields; there is one text for logs and for people."""
    assert str(fault) == text


@pytest.mark.parametrize(("fault", "text"), FAULTS)
def test_fault_survives_being_copied_and_pickled(fault: WhynessEventsError, text: str) -> None:
    """Test runners and worker pools hand exceptions from process to process."""
    assert str(pickle.loads(pickle.dumps(fault))) == text  # noqa: S301  (our own bytes)
    assert vars(copy.copy(fault)) == vars(fault)


def test_tree_has_one_root() -> None:
    """Who publishes catches one class; who reads tells no event from an invalid one."""
    assert all(isinstance(fault, WhynessEventsError) for fault, _ in FAULTS)
    assert issubclass(UnreadableEvent, InvalidEvent)
    assert not issubclass(EventTooLarge, InvalidEvent)
    assert not issubclass(UnreadableMessage, InvalidEvent)
