"""Each promise broken on purpose: the simulation names it, and shows it with a few messages."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.simulation.pool import SimulatedPool
from tests.simulation.scenario import Scenario, make_scenario
from tests.simulation.shrink import shortest, told
from tests.simulation.simulation import Simulation
from tests.simulation.traffic import DAY_S, POISONS
from tests.simulation.trouble import Window
from whyness_events.dead_letter import DeadLetterAttributes
from whyness_events.delivery import deliver
from whyness_events.delivery.items import Item, Record, RecordEvents
from whyness_events.delivery.mixpanel.answers import Reaction, Verdict, judge
from whyness_events.delivery.ports import Answer, DeadLetter
from whyness_events.delivery.reading.reader import Reader
from whyness_events.delivery.sending import evidence, posting, sender, trial
from whyness_events.delivery.settling import dead_letter_writer, settlement
from whyness_events.delivery.settling.settlement import Settlement
from whyness_events.outcomes import Outcome, Reason

DAYS = 1.0
HOUR_S = 3_600.0
# Each deliberate bug shows within so many seeds.
_BUG_SEEDS = range(60)

Break = Callable[[pytest.MonkeyPatch], None]
Prepare = Callable[[Scenario], Scenario]


def _acknowledge_before_the_queue_confirmed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Settlement, "_is_safe", lambda _self, _item: True)


def _trust_a_400_that_does_not_add_up(patch: pytest.MonkeyPatch) -> None:
    def trusting(answer: Answer, insert_ids: Sequence[str], **rest: Any) -> Verdict:
        verdict = judge(answer, insert_ids, **rest)
        is_trusted = verdict.status == 400 and verdict.reaction is Reaction.SPLIT
        return Verdict(Reaction.CONFIRMED, 400, "", verdict.named) if is_trusted else verdict

    patch.setattr(posting, "judge", trusting)


def _swallow_a_failed_entry(patch: pytest.MonkeyPatch) -> None:
    send = Settlement._send

    def swallow(self: Settlement, dead_letters: dict[Item, DeadLetter], deadline_s: float) -> dict[Item, str]:
        return dict.fromkeys(dead_letters, "not confirmed") | send(self, dead_letters, deadline_s)

    patch.setattr(Settlement, "_send", swallow)


def _new_insert_id_at_a_retry(patch: pytest.MonkeyPatch) -> None:
    encode = Reader._encode

    def altered(self: Reader, received: Sequence[RecordEvents], now_ms: int) -> None:
        encode(self, received, now_ms)
        for item in [item for record_events in received for item in record_events.items]:
            suffix = f"-{item.record.receive_count}" if item.record.receive_count > 1 else ""
            item.encoded = item.encoded.replace(
                f'"$insert_id":"{item.insert_id}'.encode(), f'"$insert_id":"{item.insert_id}{suffix}'.encode()
            )

    patch.setattr(Reader, "_encode", altered)


def _late_thread_writes_an_old_outcome(patch: pytest.MonkeyPatch) -> None:
    # The tickets of each invocation begin at 1.
    patch.setattr(SimulatedPool, "_is_awaited", lambda self, ticket, _body: ticket in self._busy)


def _believe_an_answer_for_when_it_comes(patch: pytest.MonkeyPatch) -> None:
    def take(self: SimulatedPool) -> list[tuple[int, Answer]]:
        answers = [answer for _, _, answer in self._arrived]
        found = list(zip(self._busy, answers, strict=False))  # the oldest request gets the next answer
        self._arrived.clear()
        for ticket, _ in found:
            del self._busy[ticket]
        return found

    patch.setattr(SimulatedPool, "_take", take)


def _dead_letters_before_the_rest_is_settled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settlement, "_is_decided", lambda _: True)


def _suspects_like_all_others(patch: pytest.MonkeyPatch) -> None:
    def all_at_once(self: deliver._Invocation, suspects: Sequence[Record]) -> None:
        self._handle(suspects, self._work_by_s, is_last=True)

    patch.setattr(deliver._Invocation, "_handle_suspects", all_at_once)


def _read_before_giving_up(patch: pytest.MonkeyPatch) -> None:
    give_up = deliver._Invocation._give_up

    def reading(self: deliver._Invocation, records: Sequence[Record]) -> Sequence[Record]:
        self._reader.read(records, now_ms=self._now_ms)
        return give_up(self, records)

    patch.setattr(deliver._Invocation, "_give_up", reading)


def _never_give_up_unread(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(deliver._Invocation, "_give_up", lambda _self, records: records)


def _blame_without_a_control(patch: pytest.MonkeyPatch) -> None:
    def blame(verdict: Verdict) -> Outcome:
        return Outcome(Reason.REJECTED, verdict.detail, verdict.status)

    patch.setattr(sender, "without_control", blame)


def _blame_after_one_alternation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(evidence, "ENOUGH_ODDS", 2)
    patch.setattr(trial, "copies", lambda _suspects: (1, 1))


def _forget_the_row_of_what_is_delivered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Settlement, "_mark", lambda *_: 0)


def _tell_the_event_in_the_reason(patch: pytest.MonkeyPatch) -> None:
    attributes = dead_letter_writer._attributes

    def telling(item: Item, *rest: Any) -> DeadLetterAttributes:
        return replace(attributes(item, *rest), detail=f"wrong: {item.record.body[:200]}")

    patch.setattr(dead_letter_writer, "_attributes", telling)


def _as_it_is(scenario: Scenario) -> Scenario:
    return scenario


def _with_late_answers(scenario: Scenario) -> Scenario:
    """Leave requests of one event behind in a container whose next ones may never be answered."""
    windows = [Window("too slow", 0.0, 2 * DAY_S, 0.3), Window("no answer", 0.0, 2 * DAY_S, 0.3)]
    lone = [each for each in scenario.publications if len(each.events) == 1]
    publications = [replace(each, at_s=DAY_S + 60 * n) for n, each in enumerate(lone)]
    return replace(scenario, publications=publications, windows=windows, slots=1)


def _with_poison(scenario: Scenario) -> Scenario:
    poison = next((p for p in scenario.publications if any(text in p.body for text in POISONS)), None)
    if poison is None:
        return replace(scenario, publications=scenario.publications[:1])
    near = [p for p in scenario.publications if abs(p.at_s - poison.at_s) < HOUR_S]
    return replace(scenario, publications=near, windows=())


@pytest.mark.parametrize(
    ("bug", "prepare", "broken_promise"),
    [
        (_acknowledge_before_the_queue_confirmed, _as_it_is, "was acknowledged, and lost"),
        (_trust_a_400_that_does_not_add_up, _as_it_is, "was acknowledged, and lost"),
        (_swallow_a_failed_entry, _as_it_is, "was acknowledged, and lost"),
        (_late_thread_writes_an_old_outcome, _with_late_answers, "was acknowledged, and lost"),
        (_believe_an_answer_for_when_it_comes, _with_late_answers, "was acknowledged, and lost"),
        (_dead_letters_before_the_rest_is_settled, _as_it_is, "can be explained"),
        (_suspects_like_all_others, _with_poison, "without any trouble"),
        (_read_before_giving_up, _with_poison, "the function could have"),
        (_never_give_up_unread, _with_poison, "the function could have"),
        (_blame_without_a_control, _as_it_is, "nothing is wrong with it"),
        (_blame_after_one_alternation, _as_it_is, "nothing is wrong with it"),
        (_forget_the_row_of_what_is_delivered, _as_it_is, "its Log row says redriven"),
        (_tell_the_event_in_the_reason, _as_it_is, "detail tells"),
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
