"""The line of an audit: written once, whatever happens, and fit for any log."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyness_ops.audit.audit_line import MESSAGE, RESULTS, AuditLine, line_text, told
from whyness_ops.audit.audit_report import Report
from whyness_ops.audit.verdicts import FAULTS, Counts, Verdict
from whyness_ops.errors import NotJudged, OpsError

NAME, PERSON = "Name-of-event", "person-7"
ABOUT = {"since": "", "until": "", "zone": "UTC", "project": "7"}


def report_of(sums: Mapping[Verdict, int], *, incomplete: int = 0) -> Report:
    """Return a report with these verdicts."""
    counts = Counts(Counter({(verdict, 20_000, NAME): count for verdict, count in sums.items()}))
    counts.unprobed[NAME, "a rule"] = 2
    return Report(counts, frozenset(), dict.fromkeys(range(incomplete), "cut"), 1, ABOUT)


def lines_of(end: Any) -> list[dict[str, Any]]:
    """Return what is told of an audit that ends so."""
    lines: list[dict[str, Any]] = []
    try:
        with told(
            AuditLine(0, 86_400_000, ["activity"]), lambda fields: lines.append(dict(fields)), lambda: 5.5
        ) as line:
            end(line)
    except BaseException:  # noqa: BLE001  (each kind of it is a case)
        lines.append({"raised": True})
    return lines


@given(st.dictionaries(st.sampled_from(Verdict), st.integers(0, 9)), st.integers(0, 2))
def test_a_result_is_its_counts(sums: dict[Verdict, int], code: int) -> None:
    """Each verdict has its number, also 0, so that any can have an alarm; no event's name is there."""
    [line] = lines_of(lambda line: line.judged(report_of(sums), code))

    assert line["verdicts"] == {str(verdict): sums.get(verdict, 0) for verdict in Verdict}
    assert line["faults"] == sum(sums.get(verdict, 0) for verdict in FAULTS)
    assert (line["exit_code"], line["result"], line["unprobed"]) == (code, RESULTS[code], 2)
    assert (line["message"], line["at"], line["until"]) == (
        MESSAGE,
        "1970-01-01T00:00:05Z",
        "1970-01-02T00:00:00Z",
    )
    assert NAME not in json.dumps(line)


def test_the_page_shows_the_fields_of_a_line() -> None:
    """In docs/how-to/audit.md, in their order, with verdicts that exist."""
    page = (Path(__file__).parents[3] / "docs/how-to/audit.md").read_text()
    [block] = re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    [line] = lines_of(lambda line: line.judged(report_of({}), 1))
    shown = json.loads(block)

    assert list(shown) == list(line)
    assert shown["verdicts"].keys() <= line["verdicts"].keys()
    assert shown["result"] == line["result"]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (NotJudged("Mixpanel refuses the export with 401."), "Mixpanel refuses the export with 401."),
        (OpsError("A sentence."), "A sentence."),
        (ValueError(f"DETAIL: Key (user)=({PERSON})"), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SystemExit(3), "SystemExit"),
    ],
)
@pytest.mark.parametrize("is_late", [False, True])
def test_an_audit_that_ends_in_an_error_is_told(error: BaseException, why: str, is_late: bool) -> None:  # noqa: FBT001
    """Also after it was judged, as where the page cannot be written; and the error goes on."""

    def end(line: AuditLine) -> None:
        if is_late:
            line.judged(report_of({Verdict.MATCHED: 1}), 0)
        raise error

    line, raised = lines_of(end)

    assert (line["exit_code"], line["result"], line["why"]) == (2, "not judged", why)
    assert raised == {"raised": True}
    assert PERSON not in json.dumps(line)


def test_days_that_are_incomplete_say_why() -> None:
    """Who is woken reads it in the line."""
    [line] = lines_of(lambda line: line.judged(report_of({Verdict.UNKNOWN: 4}, incomplete=2), 2))

    assert line["why"] == "incomplete days: 2"


def test_what_people_read_has_all_that_matters() -> None:
    """When, what, with what result."""
    [line] = lines_of(lambda line: line.judged(report_of({Verdict.MATCHED: 3, Verdict.MISSING: 1}), 1))

    assert line_text(line) == (
        "1970-01-01T00:00:05Z: not all accounted for; from 1970-01-01T00:00:00Z to 1970-01-02T00:00:00Z;"
        " of activity; faults: 1; 3 matched, 1 missing"
    )


_TEXT = st.text(max_size=9)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from(["at", "result", "why", "sources", "verdicts", "faults", "since"]), _JSON)
)
def test_a_line_of_a_stranger_is_one_line(fields: dict[str, Any]) -> None:
    """The status shows what a health view answers."""
    text = line_text(fields)

    assert "\n" not in text
    assert text.isprintable()
