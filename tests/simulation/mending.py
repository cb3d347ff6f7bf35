"""What the operator's edit function does in a run: it puts right what the traffic got wrong."""

import json
from typing import Any

from tests.simulation.traffic import POISONS, WRONGS

_BETTER: dict[str, Any] = {
    "event": "User click",
    "user": "7",
    "time": 1_794_990_000_000,
    "properties": {},
}
# Some dead letters the function cannot mend: they stay where they are.
_HOPELESS_PART = 5


def mend(raw: Any) -> Any:
    """Return the event put right; what is right already stays as it is.

    Raises:
        ValueError: it is beyond repair.
    """
    if not isinstance(raw, dict):
        return _from_text(raw)
    number = _number(raw)
    wrong = {name for each in WRONGS if _has(raw, each) for name in each}
    if wrong and number % _HOPELESS_PART == 0:
        raise ValueError("beyond repair")
    better = {name: _BETTER.get(name, f"mended-{number}") for name in wrong}
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
        raise ValueError("beyond repair")
    return {"insert_id": f"text-{len(raw)}", "event": "Text", "user": "", "time": _BETTER["time"]}
