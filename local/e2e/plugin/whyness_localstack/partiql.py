"""Pure: the one form of PartiQL that the function sends, as arguments of UpdateItem. Moto cannot read it."""

import re
from collections.abc import Sequence
from typing import Any

_UPDATE = re.compile(r'UPDATE "(?P<table>[^"]+)" (?P<sets>SET .+?) WHERE (?P<conditions>.+)')
_COMPARISON = re.compile(r'"(\w+)" (=|<>) \?')
_KEY = ("pk", "sk")


def update_item(statement: str, parameters: Sequence[Any]) -> dict[str, Any]:
    """Return the arguments of UpdateItem that do what the UPDATE does, under the same conditions.

    Raises:
        ValueError: it is no such statement.
    """
    parts = _UPDATE.fullmatch(statement)
    if parts is None:
        raise ValueError(f"not an UPDATE as the function sends it: {statement}")
    sets, conditions = _COMPARISON.findall(parts["sets"]), _COMPARISON.findall(parts["conditions"])
    terms = [(name, sign, f":v{number}") for number, (name, sign) in enumerate([*sets, *conditions])]
    values = dict(zip((value for _, _, value in terms), parameters, strict=True))
    changed, where = terms[: len(sets)], terms[len(sets) :]
    key = {name: values.pop(value) for name, _, value in where if name in _KEY}
    tested = [f"#{name} {sign} {value}" for name, sign, value in where if name not in _KEY]
    return {
        "TableName": parts["table"],
        "Key": key,
        "UpdateExpression": "SET " + ", ".join(f"#{name} = {value}" for name, _, value in changed),
        # A row that is not there is not made.
        "ConditionExpression": " AND ".join(["attribute_exists(#pk)", *tested]),
        "ExpressionAttributeNames": {f"#{name}": name for name, _, _ in terms if name != "sk"},
        "ExpressionAttributeValues": values,
    }
