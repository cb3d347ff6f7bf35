"""What people do while traffic runs: they send dead letters again, by the rules of `whyness_ops`."""

from dataclasses import replace
from typing import Protocol

from tests.simulation.fixing import fix
from tests.simulation.ledger import Ledger
from tests.simulation.process import Killed, Place, Process
from tests.simulation.queue_model import QueueModel, Received
from tests.simulation.traffic import expect
from whyness_events import decode_message
from whyness_events.dead_letter import LOG_KEY
from whyness_events.log_entry import LogKey
from whyness_ops.dead_letter_message import DeadLetter, event_key
from whyness_ops.edit import CannotEdit, edit_body

HIDDEN_S = 600.0  # as there
_SELECTED_PART = 0.8
_CRASH_PART = 0.03
_CALL_S = 0.05
_MOST_CALLS = 200


class Office(Place, Protocol):
    """What a person at work finds."""

    dead_letters: QueueModel
    ledger: Ledger

    def redriven(self, kind: str, message_id: str) -> None:
        """Hear that a dead letter is in the queue again, under this id."""


class Operator:
    """One person at work, in a task.

    Args:
        place: the run.
        kind: of the redrive.
    """

    def __init__(self, place: Office, kind: str) -> None:
        self._place, self._kind = place, kind
        self._process = Process(place)

    def work(self) -> None:
        """Do it, or be interrupted."""
        self._place.note(f"{self._kind} begins")
        try:
            self._work()
        except Killed:
            self._place.note(f"{self._kind} is interrupted")

    def _work(self) -> None:
        held: list[Received] = []
        for _ in range(_MOST_CALLS):
            self._call()
            batch = self._place.dead_letters.receive(visibility_s=HIDDEN_S)
            if not batch:
                break
            for dead_letter in batch:
                is_selected = self._kind == "redrive of all" or self._place.rng.random() < _SELECTED_PART
                if not (is_selected and self._redrive(dead_letter)):
                    held.append(dead_letter)
        for dead_letter in held:
            self._place.dead_letters.change_visibility(dead_letter.receipt_handle, 0)

    def _redrive(self, dead_letter: Received) -> bool:
        """Send, then delete; tell whether it is sent."""
        parsed = _dead_letter(dead_letter)
        try:
            body = self._edit(parsed) if self._kind == "redrive with edit" else dead_letter.body
        except CannotEdit as fault:
            self._place.note(f"  {dead_letter.message_id} stays: {fault}")
            return False
        is_move = self._kind == "redrive of all"
        key = parsed.log_key
        attributes = dead_letter.attributes if is_move else {LOG_KEY: str(key)} if key else {}
        if key and not is_move:
            self._mark_edited(key, replace(parsed, body=body))
        sent = self._place.queue.send(body, attributes)
        self._place.redriven(self._kind, sent)
        self._place.note(f"  {dead_letter.message_id} is sent again as {sent}: {body[:120]}")
        try:
            self._call()
        except Killed:
            self._place.ledger.doubt.came_twice(self._place.ledger.keys(body))
            raise
        self._place.dead_letters.delete(dead_letter.receipt_handle)
        if key and not is_move:
            self._call()
            if self._process.strikes("rows lost"):
                self._place.log.doubtful.add(key)
            else:
                self._place.log.mark_redriven(key, dead_letter_message_id=dead_letter.message_id)
        return True

    def _mark_edited(self, key: LogKey, edited: DeadLetter) -> None:
        new = event_key(edited.raw_events)
        if new in (None, key):
            return
        self._call()
        if self._process.strikes("rows lost"):
            self._place.log.doubtful.add(key)
        else:
            self._place.log.mark_edited(key, new, dead_letter_message_id=edited.message_id)

    def _edit(self, dead_letter: DeadLetter) -> str:
        body = edit_body(dead_letter, fix, now_ms=int(self._process.now_s() * 1000))
        edited = decode_message(body)
        before = self._place.ledger.keys(dead_letter.body)
        for raw, original in zip(edited.raw_events, before, strict=True):
            assert isinstance(raw, dict)
            self._place.ledger.edit(original, expect(raw, edited.identity or "distinct_id"))
        return body

    def _call(self) -> None:
        self._process.port_call(self._kind, _CALL_S)
        if self._place.rng.random() < _CRASH_PART:
            raise Killed


def _dead_letter(dead_letter: Received) -> DeadLetter:
    return DeadLetter(
        message_id=dead_letter.message_id,
        body=dead_letter.body,
        attributes=dead_letter.attributes,
        sent_ms=dead_letter.sent_ms,
        source_arn=dead_letter.source,
        receipt_handle=dead_letter.receipt_handle,
    )
