"""What is read back, against what was sent: pure."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from whyness_mixpanel.people import query
from whyness_mixpanel.people.query import Found
from whyness_mixpanel.people.update import Refused, Update
from whyness_mixpanel.people.verify import SETTLED, Confirmed, Verdict, differences, judge

BEGAN = datetime(2026, 11, 27, tzinfo=UTC)
LATELY = BEGAN - SETTLED + timedelta(seconds=1)
LONG_AGO = BEGAN - SETTLED
SENT = Confirmed(2, "d", "sent", None, LONG_AGO)
WANTED = Update(2, "2", "d", '{"person":"2","plan":"a"}', '["gone"]')
AS_IT_IS = Found("2", {"person": "2", "plan": "a", "by hand": 1})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
PROFILES = st.fixed_dictionaries({"$distinct_id": VALUES, "$properties": VALUES}) | VALUES
ANSWERS = VALUES | st.fixed_dictionaries(
    {
        "results": st.lists(PROFILES, max_size=2) | VALUES,
        "session_id": VALUES,
        "total": VALUES,
        "page_size": VALUES,
    }
)


@pytest.mark.parametrize(
    ("wanted", "confirmed", "found", "verdict"),
    [
        (WANTED, SENT, AS_IT_IS, Verdict.MATCHED),
        (WANTED, SENT, None, Verdict.MISSING),
        (WANTED, SENT, Found("other", {"person": "2", "plan": "a"}), Verdict.MATCHED),
        (WANTED, SENT, Found("2", {"person": "2"}), Verdict.DIFFERENT),
        (WANTED, SENT, Found("2", {"person": "2", "plan": "a", "gone": 0}), Verdict.DIFFERENT),
        (WANTED, SENT._replace(sent_at=LATELY), None, Verdict.WAITING),
        (WANTED, SENT._replace(sent_at=LATELY), Found("2", {}), Verdict.WAITING),
        (WANTED, SENT._replace(unsure_at=LONG_AGO), None, Verdict.WAITING),
        (WANTED, SENT._replace(digest="of before"), None, Verdict.WAITING),
        (WANTED, SENT._replace(state="refused"), None, Verdict.WAITING),
        (WANTED, None, None, Verdict.WAITING),
        (Refused(2, "2", "why"), SENT, AS_IT_IS, Verdict.WAITING),
        (None, SENT, AS_IT_IS, Verdict.UNWANTED),
        (None, None, AS_IT_IS, Verdict.UNWANTED),
        (None, SENT._replace(state="deleted"), AS_IT_IS, Verdict.UNWANTED),
        (None, SENT._replace(state="deleted", sent_at=LATELY), AS_IT_IS, Verdict.WAITING),
        (None, SENT._replace(unsure_at=LATELY), AS_IT_IS, Verdict.WAITING),
        (None, SENT, None, Verdict.MATCHED),
    ],
)
def test_each_case_has_its_verdict(
    wanted: Update | Refused | None, confirmed: Confirmed | None, found: Found | None, verdict: Verdict
) -> None:
    """To the second of the six hours."""
    assert judge(wanted, confirmed, found, BEGAN - SETTLED)[0] is verdict


@given(st.dictionaries(st.text(), VALUES.filter(lambda value: value is not None), min_size=1), st.data())
def test_any_profile_that_comes_back_as_it_was_sent_is_the_same(
    properties: dict[str, Any], data: st.DataObject
) -> None:
    """Whatever else it has; without one of its names, that is the one that differs."""
    sent = Update(2, "2", "d", json.dumps(properties))
    lost = data.draw(st.sampled_from(sorted(properties)))

    back = json.loads(json.dumps(properties))

    assert differences(sent, {"more": 1} | back) == []
    assert differences(sent, {name: value for name, value in back.items() if name != lost}) == [lost]


@given(ANSWERS.map(json.dumps).map(str.encode) | st.binary())
@example(b'{"results": [], "session_id": "s", "total": 1e999, "page_size": 1}')
def test_answer_of_any_bytes_is_read_or_tried_again(body: bytes) -> None:
    """Nothing else is raised, whatever comes."""
    try:
        query._read(body, 0)
    except query._TryAgain as trouble:
        assert str(trouble)  # noqa: PT017  (what is raised is no fault)
