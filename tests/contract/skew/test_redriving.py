"""In a module of its own: nothing is left in the dead-letter queue for others."""

from collections import Counter

import pytest

from local.mixpanel_simulator import MixpanelSimulator
from tests.builders import make_record
from tests.contract.skew.golden import sent, texts
from tests.contract.skew.stack import Pile, function_on
from tests.integration.delivery.function import counted


def test_dead_letters_are_redriven_and_delivered(
    pile: Pile,
    mixpanel: MixpanelSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As they are: with the four fields that the version had sent; what still breaks a rule is dead again."""
    dead_letters = list(pile.release.dead_letters.values())
    function = function_on(pile.desk, mixpanel, monkeypatch, capsys)

    found = pile.desk.ask("redrive", "--limit", str(len(dead_letters)))
    redriven = pile.states()
    messages = pile.desk.queued()
    keys = [m.get("MessageAttributes", {}).get("log_key", {}).get("StringValue", "") for m in messages]
    records = [make_record(m["Body"], log_key=key) for m, key in zip(messages, keys, strict=True)]
    function.invoke_until_settled(*records, timeout_s=20)

    settled = pile.states()
    assert (found["sent"], found["left"], found["rows_not_marked"]) == (len(dead_letters), [], 0)
    assert Counter(m["Body"] for m in messages) == Counter(x["message"]["Body"] for x in dead_letters)
    assert Counter(keys) == Counter(texts(dead_letter).get("log_key", "") for dead_letter in dead_letters)
    assert counted(mixpanel) == sent(dead_letters)
    assert len(pile.desk.dead()) == sum(not dead_letter["sent"] for dead_letter in dead_letters)
    for dead_letter in dead_letters:
        if key := texts(dead_letter).get("log_key"):
            states = redriven[key], settled[key]
            assert states == ("redriven", "delivered" if dead_letter["sent"] else "dead"), key
