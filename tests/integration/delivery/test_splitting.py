"""Requests refused for their size, or for one string in them: the culprit ends up alone."""

import pytest
from msgspec import structs

from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import AwsStub
from tests.builders import make_body, make_record
from tests.integration.delivery.function import Function, counted, recent_event, records_of, sent

LONG_S = 60.0
# 7 kB of JSON each: below what Mixpanel takes as one property's value.
HEAVY = {f"list_{number}": ["x" * 60] * 110 for number in range(20)}


def test_a_proxy_that_dislikes_one_string_costs_that_event_alone(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """A 403 for one string of a hundred: its 99 neighbours are delivered at once, it is dead next time."""
    events = [recent_event() for _ in range(99)]
    disliked = recent_event(data="' OR 1=1 --")
    mixpanel.faults.add(status=403, body="<html>Forbidden</html>", body_contains="OR 1=1")

    record = make_record(make_body(*events[:50], disliked, *events[50:]))

    first = function.invoke(record, timeout_s=LONG_S)
    delivered = counted(mixpanel)
    second = function.invoke(structs.replace(record, receive_count=2), timeout_s=LONG_S)

    assert delivered == counted(mixpanel) == sent(events)
    assert (first.failed_ids, second.failed_ids) == ([record.message_id], [])
    assert [dead_letter.attributes["insert_id"] for dead_letter in aws.dead_letters] == [disliked.insert_id]
    rows = [(row["reason"], row["http_status"]) for row in aws.rows.values()]
    assert rows == [("retry", 403), ("rejected", 403)]


def test_a_proxy_that_dislikes_everything_dead_letters_nothing(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """A 403 for all of 200 records: all of them stay in the queue, and the requests are bounded."""
    _, records = records_of(200)
    mixpanel.faults.add(status=403)

    invocation = function.invoke(*records)

    assert len(invocation.failed_ids) == 200
    assert aws.dead_letters == []
    assert mixpanel.stats()["requests"] <= 1 + 64


def test_more_culprits_than_extra_requests_lose_nothing(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """Each neighbour that passes pays for some more: all are delivered, the culprits dead the next time."""
    innocent, good_records = records_of(200)
    disliked, bad_records = records_of(40, data="OR 1=1")
    records = [r for at in range(40) for r in (*good_records[at * 5 : at * 5 + 5], bad_records[at])]
    mixpanel.faults.add(status=403, body_contains="OR 1=1")

    first = function.invoke(*records, timeout_s=LONG_S)
    delivered = counted(mixpanel)
    function.invoke(*(structs.replace(r, receive_count=2) for r in bad_records), timeout_s=LONG_S)

    assert sorted(first.failed_ids) == sorted(record.message_id for record in bad_records)
    assert delivered == sent(innocent)
    assert {dead_letter.attributes["insert_id"] for dead_letter in aws.dead_letters} == {
        e.insert_id for e in disliked
    }


def test_requests_shrink_until_they_pass_and_the_container_remembers(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """A 413 far below Mixpanel's own limit halves the request; the next invocation begins smaller."""
    mixpanel.faults.add(status=413, over_bytes=400_000)
    events, records = records_of(10, properties=HEAVY)
    later_events, later_records = records_of(10, properties=HEAVY)

    first = function.invoke(*records, timeout_s=LONG_S)
    refused = mixpanel.stats()["requests_by_outcome"]["413"]
    second = function.invoke(*later_records, timeout_s=LONG_S)

    assert first.failed_ids == second.failed_ids == []
    assert counted(mixpanel) == sent([*events, *later_events])
    assert refused > 0
    assert mixpanel.stats()["requests_by_outcome"]["413"] - refused < refused
    assert aws.dead_letters == []


def test_an_event_too_large_even_alone_is_oversized(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """Alone in a 413 and above 100 kB, while another event passes time and again, it is a dead letter."""
    small, heavy = recent_event(), recent_event(properties=HEAVY)
    mixpanel.faults.add(status=413, over_bytes=100_000)

    record = make_record(heavy)

    function.invoke(record, make_record(small), timeout_s=LONG_S)
    second = function.invoke(structs.replace(record, receive_count=2), timeout_s=LONG_S)

    assert second.failed_ids == []
    assert counted(mixpanel) == sent([small])
    assert aws.reasons == ["oversized"]
    rows = [(row["reason"], row["http_status"]) for row in aws.rows.values()]
    assert rows == [("retry", 413), ("oversized", 413)]


@pytest.mark.parametrize("with_neighbour", [False, True])
def test_a_413_for_a_small_event_says_nothing_about_the_event(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, *, with_neighbour: bool
) -> None:
    """Alone in a 413 and below 100 kB, it stays in the queue, whoever else passes."""
    refused = make_record(recent_event(data="refused"))
    neighbours = [make_record(recent_event())] if with_neighbour else []
    mixpanel.faults.add(status=413, body_contains="refused")

    invocation = function.invoke(refused, *neighbours)

    assert invocation.failed_ids == [refused.message_id]
    assert invocation.outcomes["setup"] == 1
    assert aws.dead_letters == []
