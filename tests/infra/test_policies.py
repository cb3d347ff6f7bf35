"""The policies for people: what the tools and the runbook call, and nothing else."""

import json
from typing import Any

import pytest
import yaml

from infra.build import ROOT
from infra.policies import policies
from local.template import _Loader
from tests.rights import ALL, OPERATOR, VIEWER, Right, called_by_the_runbook, called_by_the_tools

Template = dict[str, Any]
SAMPLE = ROOT / "docs/samples/deploy-role.yaml"
# Source: IAM quotas, characters of a managed policy, white space not counted, 2026-11.
_MOST_CHARACTERS = 6_144
# What a stack's longest names add to the examples: 128 characters, and more digits.
_NAME_CHARACTERS = 128


def rights(document: Any) -> set[Right]:
    """Return each action with each resource that a policy allows it on."""
    found = set()
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        assert "NotAction" not in statement
        found |= {(a, r) for a in listed(statement["Action"]) for r in listed(statement["Resource"])}
    return found


def listed(value: str | list[str]) -> list[str]:
    """Return it as a list."""
    return [value] if isinstance(value, str) else value


def test_the_table_of_rights_has_each_call_and_no_other() -> None:
    """A new call in a tool or the runbook needs a right, and each right needs a call."""
    assert not VIEWER.keys() & OPERATOR.keys()
    assert called_by_the_tools() | called_by_the_runbook() == VIEWER.keys() | OPERATOR.keys()


def test_the_policies_allow_what_is_called_and_nothing_else(template: Template) -> None:
    """Both ways: no right is missing, none is left over, each is on the resource that is meant."""
    found = policies(template)
    viewer = set().union(*VIEWER.values())

    assert rights(found["ViewerPolicy"]) == viewer
    assert rights(found["OperatorPolicy"]) == viewer.union(*OPERATOR.values())


def test_nobody_who_looks_can_change_anything_but_how_long_a_dead_letter_hides() -> None:
    """The verbs of a viewer read; to list dead letters is to receive them and to give them back."""
    verbs = ("Describe", "Get", "List", "Query", "Filter", "Receive")
    actions = {action.partition(":")[2] for needed in VIEWER.values() for action, _ in needed}

    assert {action for action in actions if not action.startswith(verbs)} == {"ChangeMessageVisibility"}
    assert "GetSecretValue" not in actions


def test_all_resources_only_where_aws_knows_none(template: Template) -> None:
    """What is allowed on `*` is this list; whatever is added to it needs its reason in the template."""
    found = policies(template)
    everywhere = {
        action for policy in found.values() for action, resource in rights(policy) if resource == ALL
    }

    assert everywhere == {
        "cloudwatch:DescribeAlarms",
        "cloudwatch:GetMetricData",
        "lambda:GetAccountSettings",
        "lambda:ListEventSourceMappings",
        "cloudformation:DescribeStackDriftDetectionStatus",
    }


def test_no_policy_has_a_wildcard_in_an_action(template: Template) -> None:
    """`sqs:*` would be what nobody decided."""
    sample = yaml.load(SAMPLE.read_text(), _Loader)  # noqa: S506  (a SafeLoader)
    found = policies(template) | policies(sample)

    assert [n for n, policy in found.items() if any("*" in action for action, _ in rights(policy))] == []
    assert not any(
        "secretsmanager:GetSecretValue" in json.dumps(p) for n, p in found.items() if "SendEvents" not in n
    )


@pytest.mark.parametrize("name", ["ViewerPolicy", "OperatorPolicy", "PublisherPolicy"])
def test_a_policy_is_short_enough_for_iam(template: Template, name: str) -> None:
    """Also with the longest name that a stack can have."""
    text = json.dumps(policies(template)[name], separators=(",", ":"))

    assert len(text) + text.count("stack") * _NAME_CHARACTERS <= _MOST_CHARACTERS
