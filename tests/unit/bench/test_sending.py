"""What the bench of `send()` makes of what it measures: parts, lateness, verdicts, tables, bills."""

import pytest

from bench.sending.added import part
from bench.sending.at_rate import lateness_s
from bench.sending.measures import MEASURES, PUBLISHER, measures_table, pages_table, publisher_table, verdict
from bench.sqs_sink import Sink
from bench.targets import Target

MOST = Target("key", "title", limit=0.5)


def test_what_is_added_is_beside_the_empty_page() -> None:
    """The page itself counts on neither side."""
    pages = {"nothing:1": {"cpu_ms": 1.0}, "loop:1": {"cpu_ms": 5.0}, "send:1": {"cpu_ms": 2.0}}

    assert part(pages, "cpu_ms", 1) == 0.25


def test_lateness_is_from_the_commit_to_the_answer() -> None:
    """Other events that the sink has seen do not matter; one that it has not seen ends the bench."""
    assert lateness_s({"1-1": 10.0}, {"1-1": 10.5, "1-0": 3.0}) == [0.5]
    with pytest.raises(SystemExit):
        lateness_s({"1-1": 10.0, "1-2": 11.0}, {"1-1": 10.5})


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ([0.4, 0.5], "met"),
        ([0.4, 0.6], "missed"),
        ([0.6, 0.4], "missed"),
        ([None, 0.4], "met"),
        ([None, 0.6], "missed"),
        ([None, None], "not measured"),
        ([], "not measured"),
    ],
)
def test_target_is_met_where_it_is_on_each_database(known: list[float | None], told: str) -> None:
    """Without PostgreSQL, the other database decides."""
    assert verdict(MOST, known) == told


def test_tables_have_a_row_for_each_measure_and_a_column_for_each_database() -> None:
    """Rows without a figure too; the target is in the same row."""
    values = {
        "SQLite": {"cpu_1_atomic": 0.36, "page_atomic_cpu_ms": 0.2},
        "PostgreSQL": {"cpu_1_atomic": 0.51},
    }

    rows = measures_table(values).splitlines()

    assert rows[0] == "| measure, added to the empty page | SQLite | PostgreSQL | target | verdict |"
    assert rows[2].endswith("| 0.36 | 0.51 | ≤ 0.5 | missed |")
    assert len(rows) == 2 + len(MEASURES)
    assert len(publisher_table(values).splitlines()) == 2 + len(PUBLISHER)
    assert "| SQLite, ATOMIC_REQUESTS | 0.20 / - |" in pages_table(values)


@pytest.mark.parametrize(
    ("sizes", "billed"),
    [([1], 1), ([65_536], 1), ([65_537], 2), ([30_000, 30_000], 1), ([65_000] * 10, 10), ([], 1)],
)
def test_a_call_is_billed_by_64_kib(sizes: list[int], billed: int) -> None:
    """All messages of a call together, in bytes of UTF-8, and never less than one."""
    with Sink(delay_s=0, is_recording=False) as sink:
        sink.take(["x" * size for size in sizes])

        assert (sink.billed_count, sink.message_count) == (billed, len(sizes))


def test_bytes_are_billed_and_not_characters() -> None:
    """A letter beyond ASCII is two bytes or more."""
    with Sink(delay_s=0, is_recording=False) as sink:
        sink.take(["é" * 32_769])

        assert sink.billed_count == 2
