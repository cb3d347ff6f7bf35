"""A 400 that imported some of a request: who is named, who is not, and what if it does not add up."""

import pytest

from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import AwsStub
from tests.builders import make_body, make_record
from tests.integration.delivery.function import Function, counted, recent_event, sent
from whyness_events import Event
from whyness_events.delivery.items import Record

FULL = 2_000
LONG_S = 60.0


def refused_event() -> Event:
    """Return an event that is valid here, and that a Mixpanel with `max_items=2` refuses."""
    return recent_event(properties={"plans": [1, 2, 3]})


def packed(events: list[Event], per_record: int) -> list[Record]:
    """Return the events in records of several."""
    starts = range(0, len(events), per_record)
    return [make_record(make_body(*events[start : start + per_record])) for start in starts]


@pytest.mark.parametrize("refused_count", [1, 7, FULL])
def test_a_full_request_loses_only_those_that_mixpanel_names(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, refused_count: int
) -> None:
    """Of 2,000 events in one request the named are dead letters with a row each, the others delivered."""
    mixpanel.configure(max_items=2)
    step = FULL // refused_count
    events = [refused_event() if at % step == 0 else recent_event() for at in range(step * refused_count)]
    events += [recent_event() for _ in range(FULL - len(events))]

    invocation = function.invoke(*packed(events, 100), timeout_s=LONG_S)

    good = [event for event in events if not event.properties]
    bad = [event for event in events if event.properties]
    assert len(bad) == refused_count
    assert invocation.logged["requests"] == 1
    assert invocation.failed_ids == []
    assert counted(mixpanel) == sent(good)
    assert sorted(dead_letter.attributes["insert_id"] for dead_letter in aws.dead_letters) == sorted(
        event.insert_id for event in bad
    )
    assert {(row["reason"], row["http_status"]) for row in aws.rows.values()} == {("rejected", 400)}
    assert sorted(row["pk"] for row in aws.rows.values()) == sorted(event.insert_id for event in bad)


# What stands for the one refused event of ten, the fourth, in the answer's `failed_records`.
WORDINGS = {
    "insert_id": ([{"index": 3, "insert_id": "ID", "field": "properties.plans", "message": "no"}], 9),
    "$insert_id": ([{"index": 3, "$insert_id": "ID", "field": "properties.plans", "message": "no"}], 9),
    "no id": ([{"index": 3, "field": "properties.plans", "message": "no"}], 9),
    "null id": ([{"index": 3, "insert_id": None}], 9),
    "another's id": ([{"index": 3, "insert_id": "somebody-else"}], 9),
    "the neighbour's index": ([{"index": 2, "insert_id": "ID"}], 9),
    "text": (["identity events are not allowed when project is using simplified identity management"], 0),
    "index below": ([{"index": -1, "insert_id": "ID"}], 9),
    "index above": ([{"index": 10, "insert_id": "ID"}], 9),
    "index as text": ([{"index": "3", "insert_id": "ID"}], 9),
    "index as boolean": ([{"index": True, "insert_id": "ID"}], 9),
    "named twice": ([{"index": 3}, {"index": 3}], 9),
    "nobody imported": ([{"index": 3, "insert_id": "ID"}], 0),
    "too many imported": ([{"index": 3, "insert_id": "ID"}], 10),
    "nobody named": ([], 9),
    "null": (None, 9),
    "object": ({"index": 3}, 9),
}


@pytest.mark.parametrize("wording", WORDINGS)
def test_whatever_a_partial_400_looks_like_each_event_ends_in_one_place(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, wording: str
) -> None:
    """Nine events are delivered and the tenth is a dead letter, however oddly the answer names it."""
    mixpanel.configure(max_items=2)
    events = [recent_event() for _ in range(10)]
    events[3] = refused_event()
    failed, imported = WORDINGS[wording]
    entries = [
        {**e, **{k: events[3].insert_id for k in e if e[k] == "ID"}} if isinstance(e, dict) else e
        for e in failed
    ] if isinstance(failed, list) else failed  # fmt: skip
    body = {"code": 400, "status": "Bad Request", "num_records_imported": imported, "failed_records": entries}
    mixpanel.faults.add(next_requests=1, status=400, body=body, ingest=True)

    invocation = function.invoke(make_record(make_body(*events)))

    assert invocation.failed_ids == []
    assert counted(mixpanel) == sent(event for event in events if event is not events[3])
    assert [dead_letter.attributes["insert_id"] for dead_letter in aws.dead_letters] == [events[3].insert_id]
    assert [row["pk"] for row in aws.rows.values()] == [events[3].insert_id]


def test_a_400_that_names_innocents_dead_letters_nobody_unheard(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """Names in an answer whose numbers do not add up are only a reason to ask again."""
    events = [recent_event() for _ in range(10)]
    named = [{"index": index, "insert_id": event.insert_id} for index, event in enumerate(events[:4])]
    body = {"code": 400, "num_records_imported": 0, "failed_records": named}
    mixpanel.faults.add(next_requests=1, status=400, body=body)

    invocation = function.invoke(make_record(make_body(*events)))

    assert invocation.outcomes == {"delivered": 10}
    assert counted(mixpanel) == sent(events)
    assert aws.dead_letters == []


@pytest.mark.parametrize("count", [1, 40, FULL])
def test_a_wrong_project_with_an_unexplained_400_dead_letters_nothing(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, count: int
) -> None:
    """Where everything is refused without a name, it is the set-up that is wrong: the events stay."""
    mixpanel.configure(unknown_project_status=400)
    function.set(MIXPANEL_PROJECT_ID="124")
    events = [recent_event() for _ in range(count)]
    records = packed(events, 20)

    invocation = function.invoke(*records, timeout_s=LONG_S)

    assert sorted(invocation.failed_ids) == sorted(record.message_id for record in records)
    assert invocation.outcomes.keys() <= {"setup", "retry"}
    assert aws.dead_letters == []
    assert mixpanel.stats()["requests"] <= 1 + 64
