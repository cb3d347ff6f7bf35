from typing import Any

import pytest

from local.chaos.proxy import partial
from local.chaos.proxy.faults import AwsFault, AwsFaults, Effect

SEND: dict[str, Any] = {"QueueUrl": "q", "Entries": [{"Id": str(n), "MessageBody": "x"} for n in range(3)]}
WRITE: dict[str, Any] = {"RequestItems": {"Log": ["a", "b"], "Other": ["c"]}}


def test_a_fault_strikes_its_operations_only() -> None:
    """Other calls go through and draw nothing."""
    faults = AwsFaults()
    faults.add(AwsFault(effect=Effect.THROTTLE, operations=("ReceiveMessage",)))

    struck = [faults.strike(name, 0).effect for name in ("ReceiveMessage", "GetQueueAttributes")]

    assert struck == [Effect.THROTTLE, None]
    assert faults.listed()[0]["fired"] == 1


def test_the_probability_is_drawn_for_each_call() -> None:
    """About a tenth of many calls, the same ones for the same seed."""
    runs = []
    for _ in range(2):
        faults = AwsFaults()
        faults.add(AwsFault(effect=Effect.DROP_AFTER, probability=0.1, seed=3))
        runs.append([faults.strike("ReceiveMessage", 0).effect is not None for _ in range(1_000)])

    assert runs[0] == runs[1]
    assert 60 < sum(runs[0]) < 140


def test_partial_draws_for_each_entry() -> None:
    """Some entries of a batch are struck, and not always the same."""
    faults = AwsFaults()
    faults.add(AwsFault(effect=Effect.PARTIAL, probability=0.5, operations=("SendMessageBatch",)))

    struck = {faults.strike("SendMessageBatch", 10).entries for _ in range(20)}

    assert len(struck) > 10
    assert all(entries <= set(range(10)) for entries in struck)


def test_after_clearing_nothing_strikes() -> None:
    """A fault that was switched off is gone."""
    faults = AwsFaults()
    faults.add(AwsFault(effect=Effect.UNAVAILABLE))

    faults.clear()

    assert faults.strike("ReceiveMessage", 0).effect is None


@pytest.mark.parametrize(
    "value",
    [
        {"effect": "explode"},
        {"effect": "throttle", "probability": 0},
        {"effect": "partial"},
        {"effect": "partial", "operations": ["ReceiveMessage"]},
    ],
)
def test_a_fault_that_cannot_be_meant_is_refused(value: dict[str, Any]) -> None:
    """The caller hears of it at once."""
    with pytest.raises(ValueError, match=r"Effect|probability|partial"):
        AwsFault.from_json(value)


def test_failing_entries_are_not_forwarded_and_reported() -> None:
    """The others are, and the answer names all."""
    rest = partial.without("SendMessageBatch", SEND, frozenset({1}))
    answer = partial.answered(
        "SendMessageBatch", SEND, frozenset({1}), {"Successful": [{"Id": "0"}, {"Id": "2"}]}
    )

    assert rest is not None
    assert [entry["Id"] for entry in rest["Entries"]] == ["0", "2"]
    assert [entry["Id"] for entry in answer["Successful"]] == ["0", "2"]
    assert [(entry["Id"], entry["SenderFault"]) for entry in answer["Failed"]] == [("1", False)]


def test_failing_items_are_unprocessed() -> None:
    """Across tables, as DynamoDB names them."""
    rest = partial.without("BatchWriteItem", WRITE, frozenset({0, 2}))
    answer = partial.answered("BatchWriteItem", WRITE, frozenset({0, 2}), {"UnprocessedItems": {}})

    assert rest == {"RequestItems": {"Log": ["b"]}}
    assert answer["UnprocessedItems"] == {"Log": ["a"], "Other": ["c"]}


def test_a_batch_that_fails_whole_leaves_nothing_to_forward() -> None:
    """SQS would refuse an empty batch."""
    assert partial.without("SendMessageBatch", SEND, frozenset(range(3))) is None
    assert partial.without("BatchWriteItem", WRITE, frozenset(range(3))) is None
