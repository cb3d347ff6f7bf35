"""The part of CloudWatch's metric math that the template uses, on the points of one period.

Source: CloudWatch User Guide, using math expressions, read 2026-11. What is computed from a missing point is
missing too, which is the strictest reading; FILL alone makes a value of it.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from functools import cache

Point = float | None

_OPERATORS: Mapping[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Div: operator.truediv,
    ast.Gt: operator.gt,
    ast.Eq: operator.eq,
}


def evaluate_expression(expression: str, points: Mapping[str, Point]) -> Point:
    """Return what the expression comes to.

    Raises:
        NotImplementedError: it uses what this part does not have.
    """
    return _evaluate(_parse(expression), points)


@cache
def _parse(expression: str) -> ast.expr:
    return ast.parse(expression.replace(" AND ", " and "), mode="eval").body


def _evaluate(node: ast.expr, points: Mapping[str, Point]) -> Point:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name(id=name):
            return points[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _combine(_OPERATORS[type(op)], [_evaluate(left, points), _evaluate(right, points)])
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _combine(_OPERATORS[type(op)], [_evaluate(left, points), _evaluate(right, points)])
        case ast.BoolOp(op=ast.And(), values=values):
            return _combine(lambda *found: all(found), [_evaluate(value, points) for value in values])
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _call(name, arguments, points)
    raise NotImplementedError(ast.dump(node))


def _combine(function: Callable[..., float], arguments: list[Point]) -> Point:
    found = [argument for argument in arguments if argument is not None]
    return float(function(*found)) if len(found) == len(arguments) else None


def _call(name: str, arguments: list[ast.expr], points: Mapping[str, Point]) -> Point:
    match name, arguments:
        case "FILL", [metric, value]:
            found = _evaluate(metric, points)
            return _evaluate(value, points) if found is None else found
        case "MAX", [ast.List(elts=elements)]:
            return _combine(max, [_evaluate(element, points) for element in elements])
        case "IF", [condition, then, otherwise]:
            decided = _evaluate(condition, points)
            return None if decided is None else _evaluate(then if decided else otherwise, points)
    raise NotImplementedError(name)
