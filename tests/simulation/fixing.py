"""The operator's edit function in a run: it fixes what the traffic got wrong."""

import json
from typing import Any

from tests.simulation.traffic import POISONS, WRONGS

_BETTER: dict[str, Any] = {
    "event": "User click",
    "user": "7",
    "time": 1_794_990_000_000,
    "properties": {},
}
# One in so many events cannot be fixed: its dead letter stays where it is.
_HOPELESS_ONE_IN = 5


def fix(raw: Any) -> Any:
    """Return the event, fixed where it is wrong.

    Raises:
        ValueError: it cannot be fixed.
    """
    if not isinstance(raw, dict):
        return _from_text(raw)
    number = _number(raw)
    wrong_names = {name for wrong in WRONGS if _has(raw, wrong) for name in wrong}
    if wrong_names and number % _HOPELESS_ONE_IN == 0:
        raise ValueError("it cannot be fixed")
    better = {name: _BETTER.get(name, f"fixed-{number}") for name in wrong_names}
    if raw.get("useragent") in POISONS:
        better["useragent"] = ""
    is_large = len(str(raw.get("properties"))) > 1_000_000
    return {**raw, **better, **({"properties": {}} if is_large else {})}


def _has(raw: dict[str, Any], wrong: dict[str, Any]) -> bool:
    # Compared as JSON: NaN is not equal to itself.
    return all(json.dumps(raw.get(name)) == json.dumps(value) for name, value in wrong.items())


def _number(raw: dict[str, Any]) -> int:
    digits = str(raw.get("data", "")).rpartition("/")[2]
    return int(digits) if digits.isdigit() else 1


def _from_text(raw: object) -> dict[str, Any]:
    if not (isinstance(raw, str) and raw.startswith("no JSON")):
        raise ValueError("it cannot be fixed")
    return {"insert_id": f"text-{len(raw)}", "event": "Text", "user": "", "time": _BETTER["time"]}
