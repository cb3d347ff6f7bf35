"""The policies of a template as IAM and its checkers read them, with examples for what only a stack knows."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# What `Ref` of a pseudo parameter gives; "" in a list is left out, as AWS::NoValue is.
_PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "stack",
    "AWS::NoValue": "",
}
PLACE = "us-east-1:123456789012"
_EXAMPLES = {"AlarmTopicArn": f"arn:aws:sns:{PLACE}:pages"}
# ARNs by type of resource. Those of a role's policies are not needed.
_ARNS = {
    "AWS::SQS::Queue": f"arn:aws:sqs:{PLACE}:stack-{{name}}",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{PLACE}:table/stack-{{name}}-1",
    "AWS::Lambda::Function": f"arn:aws:lambda:{PLACE}:function:stack-send-events",
    "AWS::Lambda::EventSourceMapping": "00000000-0000-0000-0000-000000000000",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{PLACE}:log-group:/aws/lambda/stack-send-events:*",
    "AWS::SecretsManager::Secret": f"arn:aws:secretsmanager:{PLACE}:secret:{{name}}-a1b2c3",
    "AWS::SNS::Topic": f"arn:aws:sns:{PLACE}:stack-{{name}}-1",
}
_PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")


def policies(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identity policies of an expanded template by name, their references replaced by examples."""
    return {name: _resolve(document, template) for name, document in _documents(template)}


def _documents(template: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            yield name, resource["Properties"]["PolicyDocument"]
        for policy in (
            resource["Properties"].get("Policies", []) if resource["Type"] == "AWS::IAM::Role" else []
        ):
            yield f"{name}-{policy['PolicyName']}", policy["PolicyDocument"]


def _resolve(node: Any, template: Mapping[str, Any]) -> Any:
    match node:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), "Arn"]}:
            return _value(name, template)
        case {"Fn::Sub": str(text)}:
            return _PLACEHOLDER.sub(lambda found: _value(found[1].removesuffix(".Arn"), template), text)
        case {"Fn::If": [_, then, _]}:
            return _resolve(then, template)
        case dict():
            return {key: _resolve(value, template) for key, value in node.items()}
        case list():
            return [found for item in node if (found := _resolve(item, template))]
    return node


def _value(name: str, template: Mapping[str, Any]) -> str:
    if name in _PSEUDO:
        return _PSEUDO[name]
    if name in template.get("Parameters", {}):
        return str(template["Parameters"][name].get("Default") or _EXAMPLES[name])
    return _ARNS[template["Resources"][name]["Type"]].format(name=name)


def write_policies(template: Mapping[str, Any], folder: Path) -> None:
    """Write each policy of a template into a file of its own."""
    for name, document in policies(template).items():
        (folder / f"{name}.json").write_text(json.dumps(document))
