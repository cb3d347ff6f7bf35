"""Days of trouble keep every promise; and the simulation can tell when one is broken."""

import json

import pytest

from tests.builders import make_record
from tests.fakes import Late
from tests.responders import LOST, UNEXPLAINED, in_turn
from tests.simulation import trouble
from tests.simulation.__main__ import main
from tests.simulation.scenario import make_scenario
from tests.simulation.shrink import shortest, told
from tests.simulation.simulation import Simulation
from tests.simulation.traffic import LEAST_EVENTS, LEAST_MESSAGES
from tests.world import World

DAYS = 1.0
SEEDS = range(240)
_A_CHUNK = 20


@pytest.mark.parametrize("first", SEEDS[::_A_CHUNK])
def test_a_day_of_trouble_keeps_every_promise(first: int) -> None:
    """Nothing lost, nothing counted twice, no dead letter without a cause, whatever happens."""
    for seed in range(first, first + _A_CHUNK):
        if Simulation(make_scenario(seed, DAYS)).run().violations:
            pytest.fail(told(*shortest(make_scenario(seed, DAYS))))


@pytest.mark.parametrize("seed", SEEDS[:20])
def test_a_seed_has_enough_traffic_and_trouble(seed: int) -> None:
    """At least 50 messages, 200 events and three kinds of fault."""
    scenario = make_scenario(seed, DAYS)

    assert len(scenario.publications) >= LEAST_MESSAGES
    assert sum(len(publication.events) for publication in scenario.publications) >= LEAST_EVENTS
    assert len({window.kind for window in scenario.windows}) >= trouble.LEAST_KINDS


def test_a_seed_decides_everything() -> None:
    """Run twice, a seed writes the same history; another seed another one."""
    first, again, other = (Simulation(make_scenario(seed, DAYS)).run().history for seed in (3, 3, 4))

    assert first == again
    assert first != other


def test_the_command_ends_with_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A script reads how often each outcome met each fault from the last line."""
    status = main(["--seeds", "3", "--days", "0.5", "--processes", "1"])

    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert status == 0
    assert (found["seeds"], found["days"], found["failing_seeds"]) == (3, 0.5, [])
    assert set(found["outcome_by_fault"]["delivered"]) == {"no fault", *trouble.KINDS}


def test_a_run_that_keeps_its_promises_has_no_shortest_failure() -> None:
    """Asked to shorten such a run, it says so."""
    with pytest.raises(ValueError, match="breaks no promise"):
        shortest(make_scenario(0, DAYS))


def test_a_refusal_of_everything_that_ends_within_an_invocation_blames_nobody() -> None:
    """An event refused while all was refused is not blamed because another one passed later."""
    answers = in_turn(UNEXPLAINED, Late(LOST, 20.0))  # then all is well
    world = World(answers, threads=2)

    world.deliver(make_record(receive_count=1), make_record(receive_count=3))

    assert world.dead_letters.sent == []
