import gzip
import json
from typing import Any

import pytest

from local.mixpanel_simulator import Project
from local.mixpanel_simulator.importing import IDENTITY_VERBS
from tests.unit.mixpanel_simulator.builders import (
    ABSENT,
    NOW_MS,
    FakeClock,
    basic,
    make_event,
    make_events,
    make_simulator,
    post,
    told,
)

UNAUTHORIZED = {"code": 401, "error": "Invalid credentials", "status": "Unauthorized"}
LENIENT = {"strict": "0", "project_id": "123"}


def test_all_events_valid_gives_200_with_their_count() -> None:
    """Word for word as Mixpanel answers."""
    simulator = make_simulator()

    reply = post(simulator, make_events(3))

    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.body == b'{"code":200,"num_records_imported":3,"status":"OK"}'
    assert len(simulator.events()) == 3


def test_invalid_events_are_named_and_the_others_imported() -> None:
    """A 400 is a partial success."""
    simulator = make_simulator()
    events: list[Any] = make_events(5)
    events[1]["properties"]["time"] = "soon"
    events[3]["event"] = ""
    events[4] = 7

    reply = post(simulator, events)

    assert reply.status == 400
    assert told(reply) == {
        "code": 400,
        "error": "some data points in the request failed validation",
        "status": "Bad Request",
        "num_records_imported": 2,
        "failed_records": [
            {
                "index": 1,
                "insert_id": "id-1",
                "field": "properties.time",
                "message": "'properties.time' is invalid: must be specified as seconds since epoch",
            },
            {
                "index": 3,
                "insert_id": "id-3",
                "field": "event",
                "message": "'event' must not be missing or blank",
            },
            {
                "index": 4,
                "insert_id": "",
                "field": "event",
                "message": "'event' is invalid: must be an object",
            },
        ],
    }
    assert [event["properties"]["$insert_id"] for event in simulator.events()] == ["id-0", "id-2"]
    assert simulator.stats()["events"] == {"raw": 2, "unique": 2, "ignored": 0, "rejected": 3}


@pytest.mark.parametrize("named", [1, 7, 2000])
def test_full_request_names_as_many_as_are_invalid(named: int) -> None:
    """Imported and named add up to the request."""
    events = make_events(2_000 - named) + [make_event(insert_id=":") for _ in range(named)]

    answer = told(post(make_simulator(), events))

    assert answer["num_records_imported"] == 2_000 - named
    assert [each["index"] for each in answer["failed_records"]] == list(range(2_000 - named, 2_000))


@pytest.mark.parametrize("insert_id", [ABSENT, 5, None, ["x"]])
def test_insert_id_that_is_no_text_is_shown_empty(insert_id: object) -> None:
    """The OpenAPI file wants a text there."""
    answer = told(post(make_simulator(), [make_event(insert_id=insert_id)]))

    assert answer["failed_records"][0]["insert_id"] == ""


def test_text_that_is_not_utf8_fails_its_event_alone() -> None:
    """The neighbour is imported, and the answer is clean text."""
    simulator = make_simulator()
    body = json.dumps([make_event(insert_id="a", plan="%"), make_event(insert_id="b")]).encode()

    reply = post(simulator, body.replace(b"%", b"\xff\xfe"))

    assert told(reply)["failed_records"] == [
        {
            "index": 0,
            "insert_id": "a",
            "field": "properties.plan",
            "message": "properties.plan is invalid: string should be valid utf8",
        }
    ]
    assert [event["properties"]["$insert_id"] for event in simulator.events()] == ["b"]


def test_ignored_event_vanishes_in_silence() -> None:
    """It counts as imported and is nowhere; a falsy mark does nothing."""
    simulator = make_simulator()
    marks = [True, 1, "yes", False, "", 0, None]

    reply = post(simulator, [make_event(insert_id=f"id-{n}", ignore=mark) for n, mark in enumerate(marks)])

    assert told(reply)["num_records_imported"] == 7
    assert [event["properties"]["$insert_id"] for event in simulator.events()] == [
        f"id-{n}" for n in range(3, 7)
    ]
    assert simulator.stats()["events"]["ignored"] == 3


@pytest.mark.parametrize("verb", sorted(IDENTITY_VERBS))
def test_identity_verb_loses_the_whole_request_of_a_simplified_project(verb: str) -> None:
    """The one entry is a plain text."""
    simulator = make_simulator(identity="simplified")

    reply = post(simulator, [make_event(), make_event(verb, insert_id="id-2")])

    assert reply.status == 400
    assert told(reply)["num_records_imported"] == 0
    assert told(reply)["failed_records"] == [
        "identity events are not allowed when project is using simplified identity management"
    ]
    assert simulator.stats()["events"] == {"raw": 0, "unique": 0, "ignored": 0, "rejected": 2}


def test_identity_verb_is_an_event_like_others_on_an_original_project() -> None:
    """It is imported."""
    simulator = make_simulator(identity="original")

    assert post(simulator, [make_event("$identify")]).status == 200
    assert len(simulator.events()) == 1


@pytest.mark.parametrize(
    "headers",
    [
        basic("acct", "wrong"),
        basic("other", "pw"),
        basic("acct", ""),
        basic("", "pw"),
        basic("", ""),
        {"Authorization": ""},
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic /w=="},
        {"Authorization": "Basic YWNjdA=="},
        {"Authorization": basic()["Authorization"].replace("Basic", "Bearer")},
    ],
)
def test_bad_credential_gives_401(headers: dict[str, str]) -> None:
    """Wrong, incomplete, unreadable or of another scheme."""
    simulator = make_simulator()

    reply = post(simulator, make_events(1), headers=headers)

    assert (reply.status, told(reply)) == (401, UNAUTHORIZED)
    assert simulator.events() == []


def test_missing_header_gives_401() -> None:
    """No credential at all."""
    reply = make_simulator().handle_import({}, {"strict": "1", "project_id": "123"}, b"[]")

    assert reply.status == 401


@pytest.mark.parametrize("query", [{"strict": "1"}, {"strict": "1", "project_id": ""}])
def test_service_account_without_project_gives_401(query: dict[str, str]) -> None:
    """An account has several projects, so one must be named."""
    assert post(make_simulator(), make_events(1), query=query).status == 401


def test_wrong_project_gives_401_or_an_unexplained_400() -> None:
    """As the setting says; the 400 names no event."""
    query = {"strict": "1", "project_id": "999"}

    assert post(make_simulator(), make_events(1), query=query).status == 401
    reply = post(make_simulator(unknown_project_status=400), make_events(1), query=query)
    assert (reply.status, told(reply)) == (
        400,
        {"code": 400, "error": "invalid project", "status": "Bad Request"},
    )


def test_project_of_another_region_gives_401() -> None:
    """With an unexplained 400 for unknown projects too: the credential is what is wrong there."""
    simulator = make_simulator(
        region="us",
        unknown_project_status=400,
        projects=(Project(project_id="123", region="eu", token="tok"), Project(project_id="456")),
    )

    assert post(simulator, make_events(1)).status == 401
    assert post(simulator, make_events(1), query={"strict": "1"}, headers=basic("tok", "")).status == 401
    assert post(simulator, make_events(1), query={"strict": "1", "project_id": "456"}).status == 200


def test_token_with_empty_password_opens_its_project() -> None:
    """With no project id, or with its own, and with no other."""
    simulator = make_simulator(projects=(Project(project_id="123", token="tok"), Project(project_id="456")))
    token = basic("tok", "")

    assert post(simulator, make_events(1), query={"strict": "1"}, headers=token).status == 200
    assert post(simulator, make_events(1), headers=token).status == 200
    assert (
        post(simulator, make_events(1), query={"strict": "1", "project_id": "456"}, headers=token).status
        == 401
    )
    assert post(simulator, make_events(1), query={"strict": "1"}, headers=basic("nope", "")).status == 401


def test_projects_keep_their_events_apart() -> None:
    """The same event in two projects is two events."""
    simulator = make_simulator(projects=(Project(project_id="123"), Project(project_id="456")))
    post(simulator, make_events(1))
    post(simulator, make_events(2), query={"strict": "1", "project_id": "456"})

    assert len(simulator.events(project_id="123")) == 1
    assert len(simulator.events(project_id="456")) == 2
    assert len(simulator.events()) == 3
    with pytest.raises(KeyError):
        simulator.events(project_id="789")


def test_lines_are_imported_like_an_array() -> None:
    """The index counts lines."""
    lines = b"\n".join(json.dumps(event).encode() for event in [make_event(), make_event("")])

    reply = post(make_simulator(), lines, headers={"Content-Type": "application/x-ndjson"})

    assert [each["index"] for each in told(reply)["failed_records"]] == [1]


def test_gzip_is_unpacked_and_broken_gzip_refused() -> None:
    """With 400 and no failed records."""
    simulator = make_simulator()
    headers = {"Content-Encoding": "gzip"}

    good = post(simulator, gzip.compress(json.dumps(make_events(2)).encode()), headers=headers)
    bad = post(simulator, json.dumps(make_events(2)).encode(), headers=headers)

    assert told(good)["num_records_imported"] == 2
    assert bad.status == told(bad)["code"] == 400
    assert "failed_records" not in told(bad)


@pytest.mark.parametrize("count", [0, 2_001])
def test_no_event_or_too_many_are_refused(count: int) -> None:
    """Without naming any; nothing is imported."""
    simulator = make_simulator()

    reply = post(simulator, make_events(count))

    assert (reply.status, told(reply)["error"]) == (400, "request must have from 1 to 2000 events")
    assert simulator.events() == []


def test_body_may_have_the_limit_and_no_byte_more() -> None:
    """Uncompressed bytes count, however small the gzip is."""
    body = json.dumps(make_events(3)).encode()
    simulator = make_simulator(max_body_bytes=len(body))

    for headers, pack in (({}, bytes), ({"Content-Encoding": "gzip"}, gzip.compress)):
        assert post(simulator, pack(body), headers=headers).status == 200
        reply = post(simulator, pack(body + b" "), headers=headers)
        assert (reply.status, told(reply)) == (
            413,
            {
                "code": 413,
                "error": f"request exceeds max limit of {len(body)} bytes",
                "status": "Request Entity Too Large",
            },
        )


def test_default_body_limit_is_ten_million_bytes() -> None:
    """The smaller reading of 10 MB."""
    body = json.dumps(make_events(1)).encode()

    assert post(make_simulator(), body + b" " * (10_000_000 - len(body))).status == 200
    assert post(make_simulator(), body + b" " * (10_000_001 - len(body))).status == 413


@pytest.mark.parametrize("excess", [0, 1])
def test_event_of_the_limit_fails_alone(excess: int) -> None:
    """It must be smaller than a million bytes; its neighbours are imported."""
    simulator = make_simulator()
    largest = make_event(insert_id="large", plan="")
    padding = 999_999 - len(json.dumps(largest))
    largest["properties"]["plan"] = "x" * (padding + excess)

    reply = post(simulator, [make_event(), largest])

    assert reply.status == (400 if excess else 200)
    assert len(simulator.events()) == (1 if excess else 2)
    if excess:
        assert told(reply)["failed_records"][0]["index"] == 1
        assert "smaller than 1000000 bytes" in told(reply)["failed_records"][0]["message"]


def test_event_limit_holds_in_lines_and_can_be_set() -> None:
    """A lower limit names the longer of two lines."""
    short, long = json.dumps(make_event()).encode(), json.dumps(make_event(plan="x")).encode()
    simulator = make_simulator(max_event_bytes=len(long))
    lines = {"Content-Type": "application/x-ndjson"}

    together = post(simulator, short + b"\n" + long, headers=lines)
    alone = post(simulator, long, headers=lines)

    assert [each["index"] for each in told(together)["failed_records"]] == [1]
    assert [each["index"] for each in told(alone)["failed_records"]] == [0]


def test_copies_are_shown_once_and_the_newest_wins() -> None:
    """Across requests and within one."""
    simulator = make_simulator()

    post(simulator, [make_event(plan="old"), make_event(plan="newer")])
    post(simulator, [make_event(plan="newest")])

    assert [event["properties"]["plan"] for event in simulator.events()] == ["newest"]
    plans = [event["properties"]["plan"] for event in simulator.events(raw=True)]
    assert plans == ["old", "newer", "newest"]
    assert simulator.stats()["events"] == {"raw": 3, "unique": 1, "ignored": 0, "rejected": 0}


def test_rate_limit_of_events_gives_429_until_the_minute_has_rolled_on() -> None:
    """60 times the limit a second may come at once."""
    clock = FakeClock()
    simulator = make_simulator(clock, events_per_s=1)

    assert post(simulator, make_events(60)).status == 200
    reply = post(simulator, make_events(1))
    assert (reply.status, told(reply)) == (
        429,
        {
            "code": 429,
            "error": "Project exceeded rate limits. Please retry the request with exponential backoff.",
            "status": "Too Many Requests",
        },
    )
    assert "Retry-After" not in reply.headers
    clock.now_s += 60
    assert post(simulator, make_events(60)).status == 200


def test_rate_limit_of_bytes_counts_uncompressed() -> None:
    """A small gzip takes its full size."""
    body = json.dumps(make_events(100)).encode()
    simulator = make_simulator(bytes_per_minute=len(body))
    headers = {"Content-Encoding": "gzip"}

    assert post(simulator, gzip.compress(body), headers=headers).status == 200
    assert post(simulator, gzip.compress(body), headers=headers).status == 429


def test_refused_events_count_against_the_rate() -> None:
    """A 400 takes room, a 401 does not."""
    simulator = make_simulator(events_per_s=1)

    post(simulator, make_events(60), headers=basic("acct", "wrong"))
    assert post(simulator, [make_event("")] * 60).status == 400
    assert post(simulator, make_events(1)).status == 429


def test_retry_after_is_sent_if_the_setting_says_so() -> None:
    """In seconds."""
    simulator = make_simulator(events_per_s=1, retry_after_s=7)
    post(simulator, make_events(60))

    assert post(simulator, make_events(1)).headers["Retry-After"] == "7"


def test_rate_is_counted_by_project() -> None:
    """One project's flood is not another's."""
    simulator = make_simulator(
        events_per_s=1, projects=(Project(project_id="123"), Project(project_id="456"))
    )
    post(simulator, make_events(60))

    assert post(simulator, make_events(1), query={"strict": "1", "project_id": "456"}).status == 200


@pytest.mark.parametrize("query", [LENIENT, {"project_id": "123"}])
def test_lenient_import_answers_one_or_zero(query: dict[str, str]) -> None:
    """One if anything was stored; no event is named."""
    simulator = make_simulator()

    good = post(simulator, [make_event(), make_event("")], query=query)
    bad = post(simulator, [make_event("")], query=query)

    assert (good.status, good.headers["Content-Type"], good.body) == (200, "text/plain", b"1")
    assert (bad.status, bad.body) == (200, b"0")
    assert len(simulator.events()) == 1


def test_verbose_lenient_import_gives_the_first_error() -> None:
    """In Mixpanel's old form."""
    query = {**LENIENT, "verbose": "1"}

    good = post(make_simulator(), make_events(1), query=query)
    assert (good.status, told(good)) == (200, {"status": 1, "error": None})
    assert told(post(make_simulator(), [make_event("")], query=query)) == {
        "status": 0,
        "error": "'event' must not be missing or blank",
    }
    assert told(post(make_simulator(), [make_event("$merge")], query=query))["status"] == 0


def test_lenient_refusal_has_no_code() -> None:
    """As seen with a 429 in the wild."""
    simulator = make_simulator(events_per_s=1)
    post(simulator, make_events(60))

    reply = post(simulator, make_events(1), query=LENIENT)

    assert reply.status == 429
    assert told(reply) == {
        "error": "Project exceeded rate limits. Please retry the request with exponential backoff.",
        "status": 0,
    }


def test_lenient_import_without_insert_ids_never_deduplicates() -> None:
    """Two copies are two events."""
    simulator = make_simulator()

    post(simulator, [make_event(insert_id=ABSENT)] * 2, query=LENIENT)

    assert len(simulator.events()) == 2


def test_arrival_is_taken_from_the_clock() -> None:
    """To the millisecond, so that a time of this very moment is not in the future."""
    clock = FakeClock(1_795_000_000.123)
    simulator = make_simulator(clock)

    post(simulator, [make_event(time=1_795_000_000_123)])

    properties = simulator.events()[0]["properties"]
    assert properties["$mp_api_timestamp_ms"] == properties["time"] == 1_795_000_000_123


def test_settings_change_from_the_next_request_on() -> None:
    """Limits and the password alike."""
    simulator = make_simulator()

    simulator.configure(max_events=1, password="new")

    assert post(simulator, make_events(1)).status == 401
    assert post(simulator, make_events(1), headers=basic("acct", "new")).status == 200
    assert post(simulator, make_events(2), headers=basic("acct", "new")).status == 400


def test_reset_forgets_all_but_the_settings() -> None:
    """Events, counters, faults, rate."""
    simulator = make_simulator(events_per_s=1)
    simulator.faults.add(body_contains="nowhere", status=503)
    post(simulator, make_events(60))

    simulator.reset()

    assert simulator.events() == []
    assert simulator.stats()["requests"] == 0
    assert simulator.faults.listed() == []
    assert post(simulator, make_events(60)).status == 200


def test_stats_count_requests_and_hold_nothing_secret_or_personal() -> None:
    """Header names are shown, values never."""
    simulator = make_simulator()
    marked = make_event(distinct_id="marker-person", plan="marker-plan", insert_id="marker-id")
    post(simulator, [marked], headers={"X-Own": "marker-header"})
    post(simulator, [make_event("marker-name", time="marker-time")])
    post(simulator, [marked], headers=basic("marker-account", "marker-password"))
    simulator.faults.add(name="outage", connection="reset", next_requests=1)
    post(simulator, [marked])

    stats = simulator.stats()

    assert stats["requests"] == 4
    assert stats["requests_by_outcome"] == {"200": 1, "400": 1, "401": 1, "reset": 1}
    assert stats["received_bytes"] > 4 * 100
    assert stats["projects"] == {"123": {"raw": 1, "unique": 1, "ignored": 0, "rejected": 1}}
    first, *_, last = stats["last_requests"]
    assert first["header_names"] == ["authorization", "content-type", "x-own"]
    assert (last["outcome"], last["fault"], last["at_s"]) == ("reset", "outage", NOW_MS / 1_000)
    assert "marker" not in json.dumps(stats)


def test_only_the_last_requests_are_remembered() -> None:
    """Fifty, newest last; the counters know them all."""
    clock = FakeClock()
    simulator = make_simulator(clock)
    for _ in range(60):
        clock.now_s += 1
        post(simulator, [])

    stats: dict[str, Any] = simulator.stats()

    assert stats["requests"] == 60
    assert len(stats["last_requests"]) == 50
    assert stats["last_requests"][-1]["at_s"] == clock.now_s
