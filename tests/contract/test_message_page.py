"""The page for producers in any language: its table, lists and examples are what the code says."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.builders import NOW_MS, make_record, read_record, translated
from whyness_events import limits
from whyness_events.event import CALLERS_PROPERTY_KEYS, OWN_PROPERTIES, Event
from whyness_events.limits import Limit

PAGE = (Path(__file__).parents[2] / "docs" / "reference/message.md").read_text()


def limits_table() -> str:
    """Return the table of outside numbers, as the page has it."""
    found = [(name, limit) for name, limit in vars(limits).items() if isinstance(limit, Limit)]
    rows = [f"| `{name}` | {limit:,} | {limit.unit or '-'} | {limit.source} |" for name, limit in found]
    return "\n".join(["| limit | value | unit | source |", "|---|---|---|---|", *rows, ""])


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def _line(start: str) -> str:
    return next(line for line in PAGE.splitlines() if start in line)


def test_table_of_limits_is_what_the_code_says() -> None:
    """Every outside number stands in the page with its unit and source, and no other does."""
    _, _, rest = PAGE.partition("<!-- limits -->\n")

    found, _, _ = rest.partition("<!-- /limits -->")

    assert found == limits_table()


def test_every_outside_number_has_a_source() -> None:
    """Each limit names a source that can be looked up, and the day on which it was checked."""
    found = [limit for limit in vars(limits).values() if isinstance(limit, Limit)]

    assert len(found) > 15
    assert all("." in limit.source or "RFC" in limit.source for limit in found)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", limits.CHECKED)


def test_command_line_of_the_page_publishes_a_good_event() -> None:
    """The AWS CLI example can be pasted into a shell, and what it sends is delivered."""
    words = shlex.split(_blocks("")[0])

    body = words[words.index("--message-body") + 1]
    (item,) = read_record(make_record(body), now_ms=NOW_MS, default_identity="distinct_id").items

    assert words[:5] == ["aws", "--region", "$REGION", "sqs", "send-message"]
    assert item.outcome is None


def test_envelope_of_the_page_can_be_read() -> None:
    """The JSON example is a message, each of whose events is valid."""
    (body,) = _blocks("json")

    record_events = read_record(make_record(body), now_ms=NOW_MS, default_identity="simplified")

    assert [item.identity for item in record_events.items] == ["distinct_id"] * 2
    assert [item.outcome for item in record_events.items] == [None, None]


def test_page_names_every_field_of_an_event() -> None:
    """The table of fields has a row for each, required or optional as the code has it."""
    rows = re.findall(r"^\| `(\w+)` \| (required|optional) \|", PAGE, re.MULTILINE)

    fields = [
        (name, "required" if name in ("insert_id", "event", "user", "time") else "optional")
        for name in Event.__dataclass_fields__
    ]

    assert rows == fields


def test_page_lists_what_the_code_refuses() -> None:
    """Placeholders, identity verbs, reserved names and the caller's allowed ones are all on the page."""
    placeholders = set(re.findall(r"`([^`]+)`", _line("**Placeholders**").partition(", in any case")[0]))
    refused, _, allowed = _line("Names are not empty").partition("Ten of Mixpanel's own")

    assert placeholders == limits.PLACEHOLDERS
    assert set(re.findall(r"`([^`]+)`", allowed)) == limits.CALLERS_PROPERTIES
    assert {*limits.RESERVED_PROPERTIES, *OWN_PROPERTIES, *limits.RESERVED_PREFIXES} == set(
        re.findall(r"`([^`]+)`", refused)
    )
    assert all(f"`{verb}`" in _line("| `event` |") for verb in limits.IDENTITY_VERBS)
    assert f"at most {CALLERS_PROPERTY_KEYS} names" in PAGE


@pytest.mark.parametrize("row", re.findall(r'^\| `("user".*?)` \| (.*?) \| (.*?) \|$', PAGE, re.MULTILINE))
@pytest.mark.parametrize("column", [1, 2])
def test_table_of_people_is_what_the_lambda_sends(row: tuple[str, ...], column: int) -> None:
    """Each cell of the table of identities names the fields that Mixpanel gets, and their values."""
    fields = json.loads(f"{{{row[0]}}}")
    event = Event(insert_id="a", event="b", time=NOW_MS, **fields)

    sent, _ = translated(event, ("distinct_id", "simplified")[column - 1], lambda _: {})

    assert _person(row[column]) == {
        name: value or "empty"
        for name, value in sent["properties"].items()
        if name in ("distinct_id", "$user_id", "$device_id")
    }


def _person(cell: str) -> dict[str, Any]:
    """Read a cell such as "`distinct_id` and `$user_id` 123, `$device_id` p-45: a remark"."""
    person: dict[str, Any] = {}
    for part in re.sub(r": the .*", "", cell).split(", "):
        *names, value = part.replace(" and ", " ").split()
        person |= {name.strip("`"): value for name in names}
    return person
