"""Days are asked for one by one, again where they come incomplete, within Mixpanel's limits."""

import gzip
import json
import stat
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.audit.fake_export import FakeExport, FakeTime
from whyness_ops.audit.export_client import Answer
from whyness_ops.audit.export_days import DayReader, Export
from whyness_ops.errors import NotJudged

DAY_MS = 86_400_000
# Without a time, or each worker would have tests of other names.
_TERMINATED = gzip.compress(b"terminated early\n", mtime=0)


def row(day: int) -> dict[str, Any]:
    """Return an exported event of a day."""
    return {
        "event": "A",
        "properties": {"time": day * DAY_MS + 5, "$insert_id": f"row-{day}", "plan": "secret"},
    }


def read(export: FakeExport, days: range, directory: Path, time: FakeTime) -> Export:
    """Return the export of some days."""
    return time.reader(export).read(days, directory)


@pytest.mark.parametrize("trouble", [500, 502, 429, b"", _TERMINATED, b"<html>"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_broken_day_is_asked_for_again(trouble: int | bytes, count: int, tmp_path: Path) -> None:
    """At most three times, and the other days once."""
    export, time = FakeExport([row(20_000), row(20_001)], troubles=[200, *[trouble] * count]), FakeTime()

    result = read(export, range(20_000, 20_002), tmp_path, time)

    assert export.asked == ["2024-10-04", *["2024-10-05"] * (count + 1)]
    assert [json.loads(path.read_bytes()) for path in result.files] == [row(20_000), row(20_001)]
    assert [stat.S_IMODE(path.stat().st_mode) for path in result.files] == [0o600, 0o600]
    assert result.incomplete == {}


def test_day_that_stays_broken_is_incomplete(tmp_path: Path) -> None:
    """Its file is gone, and the days after it are read."""
    export, time = FakeExport([row(20_000), row(20_001)], cut_days=["2024-10-04"]), FakeTime()

    result = read(export, range(20_000, 20_002), tmp_path, time)

    assert result.incomplete == {20_000: "it is cut: the end of gzip is missing"}
    assert [path.name for path in tmp_path.iterdir()] == ["2024-10-05.jsonl"]
    assert export.asked == ["2024-10-04"] * 4 + ["2024-10-05"]


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 418])
def test_refusal_is_a_sentence_at_once(status: int, tmp_path: Path) -> None:
    """Nothing is asked again, and the text says that nothing is missing."""
    export = FakeExport([row(20_000)], troubles=[status])

    with pytest.raises(NotJudged, match=f"{status}.*Nothing is reported as missing") as caught:
        read(export, range(20_000, 20_002), tmp_path, FakeTime())

    assert (caught.value.exit_code, len(export.asked)) == (2, 1)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_no_answer_to_any_try_is_a_sentence(status: int, tmp_path: Path) -> None:
    """The audit ends there: the other days would be refused as well."""
    export = FakeExport([row(20_000)], troubles=[status] * 4)

    with pytest.raises(NotJudged, match=f"2024-10-04 in 4 tries: it answers {status}"):
        read(export, range(20_000, 20_002), tmp_path, FakeTime())


def test_limits_are_kept_with_a_visible_wait(tmp_path: Path) -> None:
    """Of 200 days: three a second, sixty an hour; the long waits are shown."""
    time, export = FakeTime(), FakeExport([])
    began_s: list[float] = []

    def ask(day: str) -> AbstractContextManager[Answer]:
        began_s.append(time.now_s)
        return export.ask(day)

    DayReader(ask, time.pace(), time.notes.append).read(range(20_000, 20_200), tmp_path)

    for window_s, most in ((1.0, 3), (3_600.0, 60)):
        assert all(later - first >= window_s for first, later in zip(began_s, began_s[most:], strict=False))
    assert len([text for text in time.notes if "60 exports an hour" in text]) == 3
    assert began_s[-1] < 3 * 3_600 + 60


def test_stop_ends_before_the_next_request(tmp_path: Path) -> None:
    """And nothing is judged."""
    export, time = FakeExport([row(20_000)]), FakeTime()
    stopped = DayReader(export.ask, time.pace(), time.notes.append, lambda: len(export.asked) == 1)

    with pytest.raises(NotJudged, match="Stopped"):
        stopped.read(range(20_000, 20_003), tmp_path)

    assert len(export.asked) == 1
