"""Whether Mixpanel may count a dead event travels from the answer to the tools as data."""

import pytest

from tests.builders import large_properties, make_body, make_event, make_raw, make_record
from tests.fakes import Responder
from tests.responders import always, decline_any_of, name_each_of
from tests.world import World
from whyness_events.dead_letter import MAY_COUNT, DeadLetterAttributes
from whyness_events.delivery.ports import Answer, DeadLetter
from whyness_events.outcomes import Reason

# Large enough for a 413 to be its own fault.
DISLIKED = make_event(
    insert_id="disliked", properties={name: ["x" * 200] * 30 for name in "abcdefghijklmnopqrst"}
)
NO_REPORT = b"<html>no</html>"
ADDS_UP_TO_NOTHING = b'{"code":200,"num_records_imported":7,"status":"OK"}'


def dead_letter_of_the_disliked(respond: Responder) -> DeadLetter:
    """Return its dead letter, after as many receives among good events as it takes."""
    world = World(respond)
    for receive_count in range(1, 50):
        record = make_record(DISLIKED, receive_count=receive_count)
        world.deliver(record, *[make_record() for _ in range(3)])
        world.clock.sleep(60)
        if world.dead_letters.sent:
            return world.dead_letters.sent[0]
    raise AssertionError("it is still waiting")


@pytest.mark.parametrize(
    ("answer", "may_count"),
    [
        (Answer(403, NO_REPORT), False),
        (Answer(413, NO_REPORT), False),
        (Answer(400, NO_REPORT), True),
        (Answer(200, ADDS_UP_TO_NOTHING), True),
    ],
    ids=["403", "413", "400", "200"],
)
def test_an_answer_that_explains_nothing_may_have_come_after_the_import(
    answer: Answer, *, may_count: bool
) -> None:
    """A refusal before it may not."""
    dead_letter = dead_letter_of_the_disliked(decline_any_of([DISLIKED.insert_id], answer))

    told = DeadLetterAttributes.decode(dead_letter.attributes)
    assert (told.http_status, told.may_count) == (answer.status, may_count)
    assert dead_letter.attributes[MAY_COUNT] == str(may_count).lower()


def test_an_event_that_mixpanel_names_was_not_imported() -> None:
    """The numbers of that answer add up."""
    dead_letter = dead_letter_of_the_disliked(name_each_of([DISLIKED.insert_id]))

    assert dead_letter.attributes[MAY_COUNT] == "false"


@pytest.mark.parametrize(
    "body",
    ["no JSON", make_body(make_raw(event=" ")), make_body(make_raw(properties=large_properties(1_020_000)))],
    ids=["unreadable", "rejected", "oversized"],
)
def test_what_was_never_sent_does_not_count(body: str) -> None:
    """An event that breaks any rule was never sent, so it does not count."""
    world = World()

    world.deliver(make_record(body))

    assert [dead_letter.attributes[MAY_COUNT] for dead_letter in world.dead_letters.sent] == ["false"]


def test_what_is_exhausted_may_count() -> None:
    """An earlier answer may have been lost."""
    world = World(always(Answer(503)))

    world.deliver(make_record(receive_count=999))

    assert world.dead_letters.reasons == [Reason.EXHAUSTED]
    assert world.dead_letters.sent[0].attributes[MAY_COUNT] == "true"
