"""What CloudFormation does with parameters before it touches any resource, as far as this template needs."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any


def refusals(template: Mapping[str, Any], given: Mapping[str, str]) -> list[str]:
    """Return why CloudFormation would refuse to deploy with the parameters `given`; empty: it would not."""
    values = {name: given.get(name, str(p.get("Default", ""))) for name, p in template["Parameters"].items()}
    unknown = [f"{name}: no such parameter" for name in given if name not in template["Parameters"]]
    return unknown + _bad_values(template["Parameters"], values) + _broken_rules(template["Rules"], values)


def _bad_values(parameters: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    return [f"{name}: {_text(p)}" for name, p in parameters.items() if not _is_allowed(p, values[name])]


def _is_allowed(parameter: Mapping[str, Any], value: str) -> bool:
    if parameter["Type"] == "Number" and not re.fullmatch(r"-?\d+", value):
        return False
    return (
        value in map(str, parameter.get("AllowedValues", [value]))
        and re.fullmatch(parameter.get("AllowedPattern", ".*"), value) is not None
        and int(value if "MinValue" in parameter else 0) >= int(parameter.get("MinValue", 0))
        and int(value if "MaxValue" in parameter else 0) <= int(parameter.get("MaxValue", 0))
    )


def _text(parameter: Mapping[str, Any]) -> str:
    return str(parameter.get("ConstraintDescription", "not an allowed value"))


def _broken_rules(rules: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    return [
        f"{name}: {assertion['AssertDescription']}"
        for name, rule in rules.items()
        if evaluate(rule.get("RuleCondition", {"Fn::Equals": ["", ""]}), values)
        for assertion in rule["Assertions"]
        if not evaluate(assertion["Assert"], values)
    ]


def evaluate(
    node: Any, values: Mapping[str, str], conditions: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """Return what an expression of Rules or Conditions comes to; `conditions` are those that it may name."""
    if isinstance(node, str | int):
        return str(node)
    [(function, argument)] = node.items()
    if function == "Ref":
        return values[argument]
    if function == "Condition":
        return evaluate(conditions[argument], values, conditions)
    if function == "Fn::Contains":
        return evaluate(argument[1], values, conditions) in argument[0]
    parts = [evaluate(part, values, conditions) for part in argument]
    return _FUNCTIONS[function](parts)


_FUNCTIONS: Mapping[str, Callable[[list[Any]], bool]] = {
    "Fn::And": all,
    "Fn::Or": any,
    "Fn::Not": lambda parts: not parts[0],
    "Fn::Equals": lambda parts: parts[0] == parts[1],
}
