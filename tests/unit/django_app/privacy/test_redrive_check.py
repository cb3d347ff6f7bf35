import json
import re
from typing import Any

import pytest

from tests.builders import NOW_MS, make_body, make_event
from tests.django_support import override
from whyness_mixpanel.models import Suppression
from whyness_mixpanel.privacy import refuse_suppressed
from whyness_ops import CannotEdit, DeadLetter, edit_body


def opt_out(users: frozenset[str]) -> set[str]:
    """Fail for user 6, as a site's function may."""
    if "6" in users:
        raise LookupError("MARKER-4711")
    return set()


def refuse_deep(raw: Any) -> Any:
    """Ask about an event that json cannot write."""
    for _ in range(100_000):
        raw = {"properties": raw}
    return refuse_suppressed(raw)


@pytest.mark.usefixtures("db")
def test_event_of_somebody_else_is_sent_as_it_is() -> None:
    """The check changes nothing."""
    Suppression.objects.create(user="5")
    event = make_event(user="7")

    body = edit_body(DeadLetter("m", make_body(event), {}), refuse_suppressed, now_ms=NOW_MS)

    assert json.loads(body)["events"] == [event.to_wire()]


@pytest.mark.parametrize(
    ("body", "check", "expected"),
    [
        (make_body(make_event(user="5")), refuse_suppressed, "its user is suppressed"),
        (make_body(make_event(user="6")), refuse_suppressed, "unknown whether .* suppressed (.*OptOutFailed"),
        (make_body(make_event(user="7")), refuse_deep, "unknown whether .* suppressed (RecursionError"),
        ("no JSON", refuse_suppressed, "its body cannot be read"),
        ('{"events":[5]}', refuse_suppressed, "its body cannot be read"),
        ('{"events":[{"insert_id":"1"}]}', refuse_suppressed, "the event to send is not valid: event: found"),
    ],
)
@pytest.mark.usefixtures("db")
def test_reason_why_a_dead_letter_stays_names_no_function_and_no_file(
    body: str, check: Any, expected: str
) -> None:
    """Its reader has written no edit function, and the server's paths are not for the page."""
    Suppression.objects.create(user="5")

    with override(OPT_OUT=opt_out), pytest.raises(CannotEdit) as fault:
        edit_body(DeadLetter("m", body, {}), check, now_ms=NOW_MS)

    assert re.search(expected.replace("(", r"\("), str(fault.value))
    assert not re.search(r"edit function|after the edit|\.py|MARKER", str(fault.value))
