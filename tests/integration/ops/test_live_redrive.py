"""The live page's button that sends the dead letters again."""

from tests.builders import make_event
from tests.integration.ops.conftest import Desk
from whyness_ops.aws import Aws
from whyness_ops.live.demo import Demo
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop


def test_the_button_sends_the_dead_letters_again_and_says_how_many(desk: Desk) -> None:
    """All of them, whatever their reason; and says so where there is none."""
    for number, reason in enumerate(("rejected", "oversized")):
        desk.bury(make_event(insert_id=f"e-{number}"), reason=reason)
    stack = Stack(
        queue_url=desk.resources.queue_url,
        dead_letter_queue_url=desk.resources.dead_letter_queue_url,
        log_table=desk.resources.log_table_name,
    )
    demo = Demo("http://127.0.0.1:9", Aws(), stack, Stop())

    said = [demo.press("redrive"), demo.press("redrive")]

    assert said[0] == "Inspected 2 dead letters: 2 matched, 2 sent."
    assert said[1] == "Inspected 0 dead letters: 0 matched, 0 sent."
    assert len(desk.queued()) == 2
    assert desk.dead() == []
