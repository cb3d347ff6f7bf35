"""What a cell of the peers' fault table says, and that each fault is one the simulator knows."""

import pytest

from bench.peer_faults.cells import NO_FAULT, Cell, make_faults, short_table, table
from local.mixpanel_simulator import Fault as SimulatorFault

FAULTS = make_faults(burst_s=5, outage_s=10)


@pytest.mark.parametrize(
    ("cell", "text", "short"),
    [
        (Cell(0), "lost none", "lost none"),
        (Cell(0, reported={"sent": 20_000, "failed": 0}), "lost none", "lost none"),
        (Cell(0, kept=3), "lost none, kept 3", "lost none, kept 3"),
        (Cell(0, raised={"Oops": 1_234}), "lost none, raised Oops 1,234 times", "lost none, raised Oops"),
        (Cell(20_000), "lost 20,000, raised nothing", "lost 20,000, raised nothing"),
        (
            Cell(7, reported={"sent": 0, "failed": 0}),
            "lost 7, raised nothing, reported 0 sent and 0 failed",
            "lost 7, raised nothing",
        ),
        (Cell(7, raised={"Oops": 2}), "lost 7, raised Oops 2 times", "lost 7, raised Oops"),
        (Cell(7, waited_s=60), "lost 7, hung: stopped after 60 s without a request", "lost 7, hung"),
        (Cell(0, waited_s=60), "lost none, hung: stopped after 60 s without a request", "lost none, hung"),
    ],
)
def test_cell_says_what_was_lost_and_what_the_program_said(cell: Cell, text: str, short: str) -> None:
    """A success is no more than "lost none"; a loss never stands without what the program said of it."""
    assert cell.to_text() == text
    assert cell.to_text(short=True) == short


def test_what_a_program_said_is_read() -> None:
    """Its last line has the exceptions, and the counts of its result if it has one."""
    assert Cell.of_client(2, {"raised": {"Oops": 1}}) == Cell(2, raised={"Oops": 1})
    assert Cell.of_client(2, {"raised": {}, "reported": {"sent": 1}}) == Cell(2, reported={"sent": 1})


def test_table_has_a_row_for_each_fault_and_a_column_for_each_sender() -> None:
    """The cells stand beside their fault, in the order of the faults."""
    cells = {name: [Cell(row) for row in range(len(FAULTS))] for name in ("a", "b")}

    head, rule, *rows = table(FAULTS, cells).splitlines()

    assert (head, rule) == ("| Mixpanel's fault | a | b |", "| --- | --- | --- |")
    assert rows[0] == "| no fault | lost none | lost none |"
    assert rows[-1] == "| wrong password | lost 5, raised nothing | lost 5, raised nothing |"
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [fault.title for fault in FAULTS]


def test_short_table_leaves_the_run_without_a_fault_out() -> None:
    """The README's table has a heading, and one line a fault."""
    cells = {"a": [Cell(row) for row in range(len(FAULTS))]}

    _, _, *rows = short_table(FAULTS, cells).splitlines()

    assert rows[0] == "| 429 for 5 s | lost 1, raised nothing |"
    assert len(rows) == len(FAULTS) - 1


def test_only_the_first_row_has_no_fault() -> None:
    """It shows that each sender delivers all events while nothing fails."""
    assert [fault == NO_FAULT for fault in FAULTS] == [True, *[False] * (len(FAULTS) - 1)]


@pytest.mark.parametrize("effect", [fault.effect for fault in FAULTS if fault.effect])
def test_the_simulator_takes_each_effect(effect: dict[str, object]) -> None:
    """It refuses a fault that it does not know."""
    SimulatorFault.from_json(dict(effect))
