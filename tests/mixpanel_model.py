"""A Mixpanel that knows what it really holds, and the ways in which its answers go wrong on the way."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any

from tests.fakes import Late, Posted, report
from tests.responders import LOST, NEVER, PAGE, UNEXPLAINED, name_each_of
from whyness_events.delivery.ports import Answer

FourFields = tuple[str, str, int, str]


def four_fields(event: dict[str, Any]) -> FourFields:
    """Return what Mixpanel counts an event by."""
    properties = event["properties"]
    return event["event"], properties["distinct_id"], properties["time"], properties["$insert_id"]


@dataclass
class MixpanelModel:
    """Keeps what it takes, and answers truthfully.

    Args:
        refused: insert ids of the events that break one of its rules.
    """

    refused: Collection[str] = ()
    arrived: list[FourFields] = field(default_factory=list)

    def ingest(self, posted: Posted) -> Answer:
        """Take all but the refused, and say so."""
        self.arrived += [
            four_fields(event)
            for event in posted.events
            if event["properties"]["$insert_id"] not in self.refused
        ]
        return name_each_of(self.refused)(posted)  # type: ignore[return-value]  # it never answers late

    @property
    def counted(self) -> set[FourFields]:
        """The events as its reports count them."""
        return set(self.arrived)


Fault = Callable[[MixpanelModel, Posted], Answer | Late]


def _instead(answer: Answer | Late) -> Fault:
    return lambda _model, _posted: answer


def _after_ingestion(answer: Answer | Late) -> Fault:
    def respond(model: MixpanelModel, posted: Posted) -> Answer | Late:
        model.ingest(posted)
        return answer

    return respond


def _miscounted(model: MixpanelModel, posted: Posted) -> Answer:
    model.ingest(posted)
    return report(200, imported=len(posted.events) + 1)


def _half_taken(status: int) -> Fault:
    def respond(model: MixpanelModel, posted: Posted) -> Answer:
        taken = replace(posted, events=posted.events[: len(posted.events) // 2])
        model.ingest(taken)
        return report(status, imported=len(taken.events))

    return respond


def _names_one_too_many(model: MixpanelModel, posted: Posted) -> Answer:
    model.ingest(posted)
    failed = [{"index": 0, "insert_id": posted.insert_ids[0]}]
    return report(400, imported=len(posted.events), failed=failed)


def _names_all_and_counts_none(_: MixpanelModel, posted: Posted) -> Answer:
    failed = [{"index": n, "$insert_id": found} for n, found in enumerate(posted.insert_ids)]
    return report(400, failed=failed)


# The answer says nothing about the events: they must all arrive in the end.
PASSING: dict[str, Fault] = {
    "503": _instead(Answer(503, b"down")),
    "504 after ingestion": _after_ingestion(Answer(504, b"<html></html>")),
    "reset": _instead(LOST),
    "reset after ingestion": _after_ingestion(LOST),
    "never": _instead(Late(LOST, NEVER)),
    "never after ingestion": _after_ingestion(Late(LOST, NEVER)),
    "page": _instead(PAGE),
    "page after ingestion": _after_ingestion(PAGE),
    "slow": lambda model, posted: Late(model.ingest(posted), 20.0),
    "429": _instead(Answer(429, b"{}")),
    "429 for long": _instead(Answer(429, b"{}", retry_after="900")),
    "401": _instead(Answer(401, b"{}")),
    "302": _instead(Answer(302)),
    "402": _instead(Answer(402)),
}
# The answer may lead to a lone event being blamed: it then lies in the dead-letter queue.
UNCLEAR: dict[str, Fault] = {
    "403": _instead(Answer(403, b"<html></html>")),
    "413": _instead(Answer(413, b"{}")),
    "unexplained 400": _instead(UNEXPLAINED),
    "unexplained 400 after ingestion": _after_ingestion(UNEXPLAINED),
    "miscounted 200": _miscounted,
    "half taken, 200": _half_taken(200),
    "half taken, 400": _half_taken(400),
    "uncounted 200": _after_ingestion(Answer(200, b'{"status":"OK"}')),
    "one named too many": _names_one_too_many,
    "all named, none counted": _names_all_and_counts_none,
}
