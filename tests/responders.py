"""What a fake Mixpanel, or something between it and us, may answer."""

from collections.abc import Callable, Collection

from tests.fakes import Late, Posted, Responder, accept, report
from whyness_events.delivery.ports import Answer

NEVER = float("inf")
LOST = Answer(0, error="connection failed (ConnectionError)")
UNEXPLAINED = Answer(400, b'{"code":400,"error":"bad","status":"Bad Request"}')
PAGE = Answer(200, b"<html><body>Welcome back</body></html>")


def always(answer: Answer | Late) -> Responder:
    """Answer the same, whatever comes."""
    return lambda _: answer


def in_turn(*answers: Answer | Late | Responder, then: Responder = accept) -> Responder:
    """Give each request the next answer, and those after the last whatever `then` gives."""
    left = list(answers)

    def respond(posted: Posted) -> Answer | Late:
        found = left.pop(0) if left else then
        return found(posted) if callable(found) else found

    return respond


def decline_any_of(insert_ids: Collection[str], answer: Answer) -> Responder:
    """Give `answer` to every request that holds one of these, as a proxy does; accept the others."""
    disliked = frozenset(insert_ids)
    return lambda posted: answer if disliked.intersection(posted.insert_ids) else accept(posted)


def decline_above(limit_bytes: int) -> Responder:
    """Answer 413 to bodies above `limit_bytes`."""
    return lambda posted: Answer(413, b"{}") if len(posted.body) > limit_bytes else accept(posted)


def name_each_of(insert_ids: Collection[str], *, key: str = "insert_id") -> Responder:
    """Answer as Mixpanel does where some events break its rules: the others are imported."""
    bad = frozenset(insert_ids)

    def respond(posted: Posted) -> Answer:
        named = [(n, found) for n, found in enumerate(posted.insert_ids) if found in bad]
        if not named:
            return accept(posted)
        failed = [
            {"index": n, key: found, "field": "properties.time", "message": "'properties.time' is invalid"}
            for n, found in named
        ]
        return report(400, imported=len(posted.events) - len(named), failed=failed)

    return respond


def slowly(respond: Callable[[Posted], Answer], after_s: float) -> Responder:
    """Answer as `respond` does, after `after_s`."""
    return lambda posted: Late(respond(posted), after_s)
