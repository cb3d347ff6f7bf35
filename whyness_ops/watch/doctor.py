"""What is wrong with a stack, and the command that fixes it. Asks for no right that OperatorPolicy lacks."""

from collections.abc import Sequence
from functools import partial

from whyness_ops.watch.doctor_checks import OF_AWS, ON_THIS_MACHINE, drift
from whyness_ops.watch.facts import NOT_HERE
from whyness_ops.watch.gather import Unknown, gather
from whyness_ops.watch.scope import Scope
from whyness_ops.watch.status import Row


def examine(scope: Scope, *, with_drift: bool = False) -> list[Row]:
    """Return a row for each check; the slowest answer decides how long it takes."""
    is_local = scope.stack.is_local
    checks = ON_THIS_MACHINE | ({} if is_local else OF_AWS) | ({"drift": drift} if with_drift else {})
    scope.aws.open()
    answers = gather({name: partial(check, scope) for name, check in checks.items()})
    elsewhere = dict.fromkeys(OF_AWS, NOT_HERE) if is_local else {}
    return [_as_row(name, row) for name, row in (answers | elsewhere).items()]


def is_well(rows: Sequence[Row]) -> bool:
    """Whether no row is ill or unknown."""
    return all(row.verdict in ("well", "not here") for row in rows)


def _as_row(name: str, row: Row | Unknown) -> Row:
    if isinstance(row, Unknown):
        return Row(name, "not here" if row == NOT_HERE else "unclear", row.why)
    return row
