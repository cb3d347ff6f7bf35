import pytest

from tests.builders import make_body, make_event
from tests.integration.ops.conftest import Desk, now_ms
from whyness_events.log_entry import LogEntry, LogKey


def test_rows_are_listed_newest_first_and_filtered(desk: Desk) -> None:
    """`log list` goes by day, reason, event and insert id."""
    now = now_ms()
    for age, (name, reason) in enumerate([("A", "rejected"), ("B", "rejected"), ("A", "oversized")]):
        entry = LogEntry(LogKey(f"row-{age}", "s"), reason, "d", name, last_failed_at_ms=now - age)
        desk.put_row(entry)
    old = LogEntry(LogKey("old", "s"), "rejected", "d", "A", last_failed_at_ms=now - 40 * 86_400_000)
    desk.put_row(old)

    def keys(*given: str) -> list[str]:
        return [row["pk"] for row in desk.ask("log", "list", *given)]

    assert keys("--days", "2") == ["row-0", "row-1", "row-2"]
    assert keys("--days", "2", "--event", "A", "--reason", "rejected") == ["row-0"]
    assert keys("--days", "41", "--reason", "rejected", "--limit", "9") == ["row-0", "row-1", "old"]
    assert keys("--insert-id", "old") == ["old"]


def test_stats_count_by_day_reason_event_and_state(desk: Desk) -> None:
    """`log stats` counts rows of a kind."""
    for n in range(3):
        desk.put_row(LogEntry(LogKey(f"r{n}", "s"), "rejected", "d", "A", last_failed_at_ms=now_ms()))

    counts = desk.ask("log", "stats", "--days", "2")

    assert sum(row["count"] for row in counts) == 3
    assert {(row["reason"], row["event"], row["state"]) for row in counts} == {("rejected", "A", "dead")}


def test_show_of_an_unknown_id_is_not_found(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """An insert id without a row is exit code 5."""
    code = desk.run("log", "show", "nobody")

    assert code == 5
    assert "has no row nobody" in capsys.readouterr().err


def test_rebuild_puts_the_rows_that_are_missing(desk: Desk) -> None:
    """Rows come from the dead letters; one that is there already is left alone; the dead letters stay."""
    kept = make_event(insert_id="kept")
    desk.bury(kept)
    lost = make_event(insert_id="lost")
    desk.send_dead(
        make_body(lost),
        reason="rejected",
        detail="why",
        http_status="400",
        failed_at="2026-11-01T10:00:00+00:00",
    )

    first = desk.ask("log", "rebuild")
    second = desk.ask("log", "rebuild")

    rest = {"letters": 2, "arrived_since": 0, "cut_short": 0}
    assert first == {"rows": 1, "present": 1, **rest}
    assert second == {"rows": 0, "present": 2, **rest}
    (row,) = desk.ask("log", "show", "lost")
    assert (row["reason"], row["detail"], row["http_status"], row["state"]) == (
        "rejected",
        "why",
        400,
        "dead",
    )
    assert row["gsi1sk"].startswith("2026-11-01T10:00:00")
    assert desk.ask("redrive", "--insert-id", "lost")["sent"] == 1
    assert desk.states("lost") == ["redriven"]
