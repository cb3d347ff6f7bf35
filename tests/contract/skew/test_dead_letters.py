import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.contract.record_golden import DEDUPLICATION
from tests.contract.skew.golden import texts
from tests.contract.skew.stack import Pile


def test_letters_are_listed_shown_and_exported(pile: Pile, tmp_path: Path) -> None:
    """Each with its reason, its body to the byte and its attributes, and one of each reason with its row."""
    letters = {id_: pile.release.dead_letters[name] for id_, name in pile.names.items()}
    reasons = {id_: texts(letter).get("reason", "unknown") for id_, letter in letters.items()}

    listed = pile.desk.ask("dlq", "list", "--days", "1", "--sample", str(len(letters)))["sample"]
    pile.desk.ask("dlq", "export", str(tmp_path / "letters"))
    shown = {id_: pile.show(id_) for id_ in {reason: id_ for id_, reason in reasons.items()}.values()}

    exported = [json.loads(line) for line in (tmp_path / "letters").read_text().splitlines()]
    assert listed["by_reason"] == Counter(reasons.values())
    assert {found["message_id"] for found in exported} == set(letters)
    for found in [*exported, *shown.values()]:
        letter = letters[found["message_id"]]
        assert found["body"] == letter["message"]["Body"]
        assert found["attributes"] == texts(letter)
        assert found["reason"] == reasons[found["message_id"]]
    for id_, found in shown.items():
        assert [row["state"] for row in found["log"]] == ["dead"] * ("log_key" in texts(letters[id_]))


@pytest.mark.parametrize("changed", [{}, *({name: value} for name, value in DEDUPLICATION.items())], ids=str)
def test_deduplication_fields_are_protected_exactly_where_the_version_did_so(
    pile: Pile, changed: dict[str, Any]
) -> None:
    """In what may count already, each of them; other edits pass, and all edits of what cannot count."""

    def edit(event: Any) -> dict[str, Any]:
        kept = {**DEDUPLICATION, **(event if isinstance(event, dict) else {}), "properties": {}}
        valid_time = kept["time"] if kept["time"] > 0 else DEDUPLICATION["time"]
        return {**kept, "time": valid_time, **changed}

    report = pile.try_edit(edit)

    letters = pile.release.dead_letters
    protected = {name for name, letter in letters.items() if letter["may_count"]}
    unreadable = {name for name in protected if not letters[name]["sent"]}  # an edit makes all of the event
    assert {pile.names[left.message_id] for left in report.left} == (protected if changed else unreadable)
