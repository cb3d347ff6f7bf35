import gzip
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from local.mixpanel_simulator import MixpanelSimulator, Project, Reply, Simulator
from tests.unit.mixpanel_simulator.builders import (
    ABSENT,
    NOW_MS,
    NOW_S,
    PASSWORD,
    FakeClock,
    basic,
    make_event,
    make_events,
    make_simulator,
    post,
)
from tests.unit.mixpanel_simulator.wire import PATIENCE_S, send

TODAY = datetime.fromtimestamp(NOW_S, UTC).date().isoformat()
QUERY = {"project_id": "123", "from_date": TODAY, "to_date": TODAY, "time_in_ms": "true"}
HOUR_MS = 3_600_000


def ask(
    simulator: Simulator, query: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> Reply:
    """Export today, or what the query changes of that."""
    return simulator.handle_export({**basic(), **(headers or {})}, QUERY | (query or {}))


def text_of(reply: Reply) -> bytes:
    """Return the body, in whichever way it comes."""
    return reply.body if reply.stream is None else b"".join(reply.stream)


def exported(simulator: Simulator, query: dict[str, str] | None = None) -> list[Any]:
    """Return the events of an answer."""
    reply = ask(simulator, query)
    assert reply.status == 200, reply
    return [json.loads(line) for line in text_of(reply).splitlines()]


def properties(simulator: Simulator, name: str, query: dict[str, str] | None = None) -> list[Any]:
    """Return one property of each event."""
    return [event["properties"].get(name) for event in exported(simulator, query)]


def test_every_copy_is_exported_as_it_was_sent_with_what_mixpanel_adds() -> None:
    """Nothing is deduplicated; the address is gone."""
    simulator = make_simulator()
    post(simulator, [make_event(plan="a", ip="10.0.0.1"), make_event(plan="b")])

    first, second = exported(simulator)

    assert first == {
        "event": "Signed Up",
        "properties": {
            "time": NOW_MS - 1_000,
            "distinct_id": "u-42",
            "$user_id": "u-42",
            "$insert_id": "id-1",
            "plan": "a",
            "$import": True,
            "$mp_api_timestamp_ms": NOW_MS,
            "mp_processing_time_ms": NOW_MS,
        },
    }
    assert second["properties"]["plan"] == "b"


def test_times_are_in_seconds_unless_asked_otherwise() -> None:
    """Whatever unit they were sent in."""
    simulator = make_simulator()
    post(simulator, [make_event(time=NOW_MS - 1_999), make_event(time=NOW_S - 2)])

    assert properties(simulator, "time", {"time_in_ms": "false"}) == [NOW_S - 2, NOW_S - 2]
    assert properties(simulator, "time") == [NOW_MS - 1_999, NOW_MS - 2_000]


def test_only_the_days_and_names_asked_for_come_and_no_more_than_the_limit() -> None:
    """Both days are inclusive."""
    simulator = make_simulator(export_per_s=10)
    day_ms = 24 * HOUR_MS
    post(simulator, [make_event(time=NOW_MS - days * day_ms, distinct_id=str(days)) for days in range(1, 5)])
    post(simulator, [make_event("Ö,ther")])
    two, three = (datetime.fromtimestamp(NOW_S - days * 86_400, UTC).date().isoformat() for days in (2, 3))

    assert properties(simulator, "distinct_id", {"from_date": three, "to_date": two}) == ["2", "3"]
    assert len(exported(simulator, {"from_date": three})) == 4
    assert len(exported(simulator, {"from_date": three, "limit": "1"})) == 1
    assert len(exported(simulator, {"from_date": three, "event": '["Ö,ther", "None"]'})) == 1


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"to_date": "2999-01-01"}, "to_date cannot be later than today"),
        ({"from_date": "2999-01-01"}, "from_date cannot be later than to_date"),
        ({"from_date": ""}, "from_date must be a date"),
        ({"to_date": "01.02.2026"}, "to_date must be a date"),
        ({"limit": "100001"}, "limit must be from 1 to 100000"),
        ({"limit": "0"}, "limit must be"),
        ({"limit": "²"}, "limit must be"),
        ({"event": "Signed Up"}, "event must be a JSON array"),
        ({"event": "[1]"}, "event must be a JSON array"),
        ({"where": "x"}, "has no where"),
    ],
)
def test_a_wrong_query_is_refused(query: dict[str, str], said: str) -> None:
    """The answer names the parameter."""
    reply = ask(make_simulator(), query)

    assert (reply.status, said in json.loads(reply.body)["error"]) == (400, True)


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        (basic("acct", "wrong"), {}),
        (basic("token-123", ""), {"project_id": ""}),
        (basic("token-123", ""), {}),
        (basic(), {"project_id": "124"}),
        (basic(), {"project_id": ""}),
        ({"Authorization": ""}, {}),
    ],
)
def test_only_the_service_account_may_export(headers: dict[str, str], query: dict[str, str]) -> None:
    """A project's token opens imports alone."""
    simulator = make_simulator(projects=(Project(project_id="123", token="token-123"),))

    assert simulator.handle_export(headers, QUERY | query).status == 401


@given(st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"]), st.data())
def test_an_older_project_exports_its_local_time(zone: str, data: st.DataObject) -> None:
    """The time counts as if the zone's clock showed UTC, on days of a change of the clock too."""
    time_s = data.draw(st.integers(946_684_800, NOW_S))
    clock = FakeClock()
    simulator = make_simulator(clock, export_zone=zone)
    post(simulator, [make_event(time=time_s * 1_000)])
    local = datetime.fromtimestamp(time_s, ZoneInfo(zone))
    day = local.date().isoformat()

    (shown_ms,) = properties(simulator, "time", {"from_date": day, "to_date": day})

    assert datetime.fromtimestamp(shown_ms / 1_000, UTC).replace(tzinfo=None) == local.replace(tzinfo=None)


def test_today_is_that_of_the_zone() -> None:
    """Tomorrow in UTC may be today in Samoa, and the other way round."""
    clock = FakeClock(datetime(2026, 11, 20, 23, 0, tzinfo=UTC).timestamp())
    tomorrow = {"from_date": "2026-11-21", "to_date": "2026-11-21"}

    assert ask(make_simulator(clock, export_zone="Asia/Tokyo"), tomorrow).status == 200
    assert ask(make_simulator(clock), tomorrow).status == 400


def test_events_of_a_device_belong_to_the_user_that_it_was_first_tied_to() -> None:
    """Earlier and later ones; what was sent is kept beside. Another user changes nothing."""
    simulator = make_simulator()
    for person in (
        {"distinct_id": "$device:d"},
        {"device_id": "d", "user_id": "u", "distinct_id": "u"},
        {"device_id": "d", "user_id": "v", "distinct_id": "v"},
        {"distinct_id": ABSENT, "device_id": "d"},
        {"distinct_id": "$device:e"},
        {"distinct_id": ABSENT, "device_id": "$device:f"},
        {"distinct_id": ""},
    ):
        post(simulator, [make_event(**person)])

    found = [event["properties"] for event in exported(simulator)]

    assert [each["distinct_id"] for each in found] == ["u", "u", "v", "u", "$device:e", "$device:f", ""]
    assert [each.get("$device_id") for each in found] == ["d", "d", "d", "d", "e", "f", None]
    assert [each.get("$user_id") for each in found] == [None, "u", "v", None, None, None, None]
    assert found[0]["$distinct_id_before_identity"] == "$device:d"


def test_a_merge_and_an_event_can_be_late() -> None:
    """Each by its own time."""
    clock = FakeClock()
    simulator = make_simulator(clock, export_late_s=60, export_merge_late_s=600)
    post(simulator, [make_event(distinct_id="$device:d"), make_event(device_id="d", user_id="u")])

    people = []
    for now_s in (NOW_S + 59, NOW_S + 60, NOW_S + 600):
        clock.now_s = now_s
        people.append(properties(simulator, "distinct_id"))

    assert people == [[], ["$device:d", "u"], ["u", "u"]]


def test_beyond_the_limit_of_a_day_events_are_taken_from_their_person() -> None:
    """Of that person and day alone; nobody's events have no limit."""
    simulator = make_simulator(hot_shard_events=2)
    post(simulator, make_events(3) + [make_event(distinct_id="other")] + [make_event(distinct_id="")] * 3)

    names = [event["event"] for event in exported(simulator)]
    hot = exported(simulator)[2]["properties"]

    assert names == ["Signed Up", "Signed Up", "$hotshard_events", *["Signed Up"] * 4]
    assert hot["distinct_id"] == ""
    assert (hot["mp_original_event_name"], hot["mp_original_distinct_id"]) == ("Signed Up", "u-42")


def test_own_duplicates_blocked_names_and_order_are_settings() -> None:
    """None of them by default."""
    simulator = make_simulator(export_double_every=2, blocked_event="Blocked", export_per_s=10)
    post(simulator, [*make_events(4), make_event("Blocked")])

    doubled = properties(simulator, "$insert_id")
    simulator.configure(export_order="shuffled", export_double_every=0)
    shuffled = properties(simulator, "$insert_id")

    assert doubled == ["id-0", "id-1", "id-1", "id-2", "id-3", "id-3"]
    assert sorted(shuffled) == ["id-0", "id-1", "id-2", "id-3"]
    assert shuffled != sorted(shuffled)
    assert shuffled == properties(simulator, "$insert_id")


def test_the_limits_of_a_second_and_of_an_hour_are_kept() -> None:
    """What is refused does not count; each project has its own."""
    clock = FakeClock()
    projects = tuple(Project(project_id=each) for each in ("123", "456"))
    simulator = make_simulator(clock, export_per_hour=5, projects=projects)

    first = [ask(simulator).status for _ in range(4)]
    clock.now_s += 1
    then = [ask(simulator).status for _ in range(3)]
    other = ask(simulator, {"project_id": "456"}).status
    clock.now_s += 3_598
    early = ask(simulator).status
    clock.now_s += 2
    later = ask(simulator).status

    assert (first, then, other) == ([200, 200, 200, 429], [200, 200, 429], 200)
    assert (early, later) == (429, 200)


@pytest.mark.parametrize("lines", ["", "terminated", "split"])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_a_fault_flaws_the_lines(lines: str, count: int) -> None:
    """Half of them and the words, or the first broken in two; the other requests are as ever."""
    simulator = make_simulator()
    if count:
        post(simulator, make_events(count))
    whole = text_of(ask(simulator))
    if lines:
        simulator.faults.add(api="export", lines=lines, next_requests=1)

    flawed = text_of(ask(simulator))

    if lines == "terminated":
        *kept, last = flawed.splitlines(keepends=True)
        assert (kept, last) == (whole.splitlines(keepends=True)[: count // 2], b"terminated early\n")
    elif lines == "split" and count:
        assert flawed.count(b"\n") == count + 1
        assert flawed.replace(b"\n", b"") == whole.replace(b"\n", b"")
    else:
        assert flawed == whole
    assert text_of(ask(simulator)) == whole


def test_a_fault_strikes_its_own_api_alone() -> None:
    """An import is none of an export's business."""
    simulator = make_simulator()
    simulator.faults.add(api="export", status=402)

    assert (post(simulator, make_events(1)).status, ask(simulator).status) == (200, 402)
    simulator.faults.clear()
    simulator.faults.add(status=503)
    assert (post(simulator, make_events(1)).status, ask(simulator).status) == (503, 200)


def test_a_large_answer_is_packed_for_those_who_take_it() -> None:
    """A small one is not, as Mixpanel's page says."""
    simulator = make_simulator()
    post(simulator, make_events(300))
    plain = text_of(ask(simulator))

    packed = ask(simulator, {}, {"Accept-Encoding": "gzip, deflate"})
    small = ask(simulator, {"limit": "1"}, {"Accept-Encoding": "gzip"})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(text_of(packed)) == plain
    assert "Content-Encoding" not in small.headers


def test_it_is_served_over_http(mixpanel: MixpanelSimulator) -> None:
    """Whole, and with a fault that lies about its length."""
    send(mixpanel.url, make_events(3))
    url = f"{mixpanel.url}/api/2.0/export"
    pairs = {**QUERY, "event": '["Signed Up"]'}

    answer = requests.get(url, params=pairs, auth=("acct", PASSWORD), timeout=PATIENCE_S)
    mixpanel.faults.add(api="export", cut=True)
    with pytest.raises(requests.RequestException):
        requests.get(f"{url}?{'&'.join(f'{k}={quote(v)}' for k, v in pairs.items())}",
                     auth=("acct", PASSWORD), timeout=PATIENCE_S)  # fmt: skip

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert len(answer.text.splitlines()) == 3
    assert requests.post(url, timeout=PATIENCE_S).status_code == 405
