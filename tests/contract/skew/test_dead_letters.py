import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.contract.record_golden import DEDUPLICATION
from tests.contract.skew.golden import texts
from tests.contract.skew.stack import Pile


def test_dead_letters_are_listed_shown_and_exported(pile: Pile, tmp_path: Path) -> None:
    """Each with its reason, its body to the byte and its attributes, and one of each reason with its row."""
    dead_letters = {id_: pile.release.dead_letters[name] for id_, name in pile.names.items()}
    reasons = {id_: texts(dead_letter).get("reason", "unknown") for id_, dead_letter in dead_letters.items()}

    listed = pile.desk.ask("dlq", "list", "--days", "1", "--sample", str(len(dead_letters)))["sample"]
    pile.desk.ask("dlq", "export", str(tmp_path / "dead_letters"))
    shown = {id_: pile.show(id_) for id_ in {reason: id_ for id_, reason in reasons.items()}.values()}

    exported = [json.loads(line) for line in (tmp_path / "dead_letters").read_text().splitlines()]
    assert listed["by_reason"] == Counter(reasons.values())
    assert {found["message_id"] for found in exported} == set(dead_letters)
    for found in [*exported, *shown.values()]:
        dead_letter = dead_letters[found["message_id"]]
        assert found["body"] == dead_letter["message"]["Body"]
        assert found["attributes"] == texts(dead_letter)
        assert found["reason"] == reasons[found["message_id"]]
    for id_, found in shown.items():
        assert [row["state"] for row in found["log"]] == ["dead"] * ("log_key" in texts(dead_letters[id_]))


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

    dead_letters = pile.release.dead_letters
    protected = {name for name, dead_letter in dead_letters.items() if dead_letter["may_count"]}
    unreadable = {
        name for name in protected if not dead_letters[name]["sent"]
    }  # an edit makes all of the event
    assert {pile.names[left.message_id] for left in report.left} == (protected if changed else unreadable)
