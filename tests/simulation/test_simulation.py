"""Days of trouble keep every promise; and the simulation can tell when one is broken."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.builders import make_record
from tests.fakes import Late
from tests.responders import LOST, UNEXPLAINED, in_turn
from tests.simulation import trouble
from tests.simulation.__main__ import main
from tests.simulation.ports import SimulatedPool
from tests.simulation.scenario import Scenario, make_scenario
from tests.simulation.shrink import shortest, told
from tests.simulation.simulation import Simulation
from tests.simulation.traffic import DAY_S, LEAST_EVENTS, LEAST_MESSAGES
from tests.simulation.trouble import Window
from tests.world import World
from whyness_events.delivery import sending
from whyness_events.delivery.answers import Reaction, Verdict, judge
from whyness_events.delivery.items import Item
from whyness_events.delivery.letters import Letter
from whyness_events.delivery.ports import Answer
from whyness_events.delivery.reading import Reader
from whyness_events.delivery.settle import Settlement

DAYS = 1.0
SEEDS = range(160)
_A_CHUNK = 20
# Each deliberate bug shows within so many seeds.
_BUG_SEEDS = range(60)

Break = Callable[[pytest.MonkeyPatch], None]
Prepare = Callable[[Scenario], Scenario]


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


# --- deliberate bugs


def _acknowledge_before_the_queue_confirmed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Settlement, "_is_safe", lambda _self, _item: True)


def _trust_a_400_that_does_not_add_up(patch: pytest.MonkeyPatch) -> None:
    def trusting(answer: Answer, insert_ids: Sequence[str], *, now_s: float) -> Verdict:
        verdict = judge(answer, insert_ids, now_s=now_s)
        is_trusted = verdict.status == 400 and verdict.reaction is Reaction.SPLIT
        return Verdict(Reaction.CONFIRMED, 400, "", verdict.named) if is_trusted else verdict

    patch.setattr(sending, "judge", trusting)


def _swallow_a_failed_entry(patch: pytest.MonkeyPatch) -> None:
    send = Settlement._send

    def swallow(self: Settlement, letters: dict[Item, Letter], deadline_s: float) -> dict[Item, str]:
        return dict.fromkeys(letters, "not confirmed") | send(self, letters, deadline_s)

    patch.setattr(Settlement, "_send", swallow)


def _new_insert_id_at_a_retry(patch: pytest.MonkeyPatch) -> None:
    encode = Reader._encode

    def altered(self: Reader, item: Item) -> None:
        encode(self, item)
        suffix = f"-{item.record.receive_count}" if item.record.receive_count > 1 else ""
        item.encoded = item.encoded.replace(
            f'"$insert_id":"{item.insert_id}'.encode(), f'"$insert_id":"{item.insert_id}{suffix}'.encode()
        )

    patch.setattr(Reader, "_encode", altered)


def _late_thread_writes_an_old_outcome(patch: pytest.MonkeyPatch) -> None:
    # The tickets of each invocation begin at 1.
    patch.setattr(SimulatedPool, "_is_awaited", lambda self, ticket, _body: ticket in self._busy)


def _as_it_is(scenario: Scenario) -> Scenario:
    return scenario


def _with_late_answers(scenario: Scenario) -> Scenario:
    """Leave requests of one event behind in a container whose next ones may never be answered."""
    windows = [Window("too slow", 0.0, 2 * DAY_S, 0.3), Window("no answer", 0.0, 2 * DAY_S, 0.3)]
    lone = [each for each in scenario.publications if len(each.events) == 1]
    publications = [replace(each, at_s=DAY_S + 60 * n) for n, each in enumerate(lone)]
    return replace(scenario, publications=publications, windows=windows, slots=1)


@pytest.mark.parametrize(
    ("bug", "prepare", "broken_promise"),
    [
        (_acknowledge_before_the_queue_confirmed, _as_it_is, "was acknowledged, and lost"),
        (_trust_a_400_that_does_not_add_up, _as_it_is, "was acknowledged, and lost"),
        (_swallow_a_failed_entry, _as_it_is, "was acknowledged, and lost"),
        (_late_thread_writes_an_old_outcome, _with_late_answers, "was acknowledged, and lost"),
        (_new_insert_id_at_a_retry, _as_it_is, "counted twice, or by other fields"),
    ],
)
def test_a_deliberate_bug_is_found(
    bug: Break, prepare: Prepare, broken_promise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simulation names the promise that the bug breaks, and needs few messages to show it."""
    bug(monkeypatch)

    scenarios = (prepare(make_scenario(seed, DAYS)) for seed in _BUG_SEEDS)
    failing = next((each for each in scenarios if Simulation(each).run().violations), None)

    assert failing is not None, "the simulation does not see the bug"
    smallest, result = shortest(failing)
    assert broken_promise in told(smallest, result)
    assert len(smallest.publications) <= 4


def test_a_run_that_keeps_its_promises_has_no_shortest_failure() -> None:
    """Asked to shorten such a run, it says so."""
    with pytest.raises(ValueError, match="breaks no promise"):
        shortest(make_scenario(0, DAYS))


def test_a_refusal_of_everything_that_ends_within_an_invocation_blames_nobody() -> None:
    """An event refused while all was refused is not blamed because another one passed later."""
    answers = in_turn(UNEXPLAINED, Late(LOST, 20.0))  # then all is well
    world = World(answers, threads=2)

    world.deliver(make_record(receive_count=1), make_record(receive_count=3))

    assert world.dead_letters.letters == []
