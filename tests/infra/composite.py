"""What CloudWatch makes of a composite alarm: its rule, on the states of the alarms in it.

Source: CloudWatch User Guide, composite alarms, read 2026-11.
"""

import ast
import re
from collections.abc import Mapping, Sequence

from tests.infra.cloudwatch import State

Changes = Sequence[tuple[float, State]]


def alarms_in(rule: str) -> list[str]:
    """Return the alarms that a rule names, in its order; references stand for names."""
    return re.findall(r'\("\$\{(\w+)\}"\)', rule)


def is_true(rule: str, states: Mapping[str, State]) -> bool:
    """Return whether the rule holds; an alarm without a state is OK.

    Raises:
        NotImplementedError: it uses what this part does not have.
    """
    python = re.sub(
        r"\b(AND|OR|NOT)\b", lambda word: word[0].lower(), re.sub(r'"\$\{(\w+)\}"', r'"\1"', rule)
    )
    return _evaluate(ast.parse(python, mode="eval").body, states)


def _evaluate(node: ast.expr, states: Mapping[str, State]) -> bool:
    match node:
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(_evaluate(value, states) for value in values)
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_evaluate(value, states) for value in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _evaluate(operand, states)
        case ast.Call(func=ast.Name(id="ALARM" | "OK" as state), args=[ast.Constant(value=str(name))]):
            return states.get(name, State.OK) is State(state)
    raise NotImplementedError(ast.dump(node))


def composite_changes(rule: str, rings: Mapping[str, Changes]) -> list[tuple[float, State]]:
    """Return when a composite alarm rang and when it was over, where the alarms in it did so."""
    states: dict[str, State] = {}
    before, found = State.OK, []
    moments = sorted({at_s for changes in rings.values() for at_s, _ in changes})
    for at_s in moments:
        states |= {
            name: state for name, changes in rings.items() for time_s, state in changes if time_s == at_s
        }
        now = State.ALARM if is_true(rule, states) else State.OK
        if now is not before:
            found.append((at_s, now))
        before = now
    return found
