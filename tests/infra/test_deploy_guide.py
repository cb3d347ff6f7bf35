"""docs/how-to/deploy.md: what people copy from it works with this template."""

import json
import re
from typing import Any

from infra.build import ROOT

GUIDE = (ROOT / "docs/how-to/deploy.md").read_text()
Template = dict[str, Any]


def test_the_settings_for_a_local_run_are_the_functions(template: Template) -> None:
    """`sam local invoke --env-vars` silently leaves out names that the template does not have."""
    [block] = re.findall(r"```json\n(.+?)```", GUIDE, flags=re.DOTALL)
    function = template["Resources"]["SendEventsFunction"]["Properties"]

    assert set(json.loads(block)["SendEventsFunction"]) <= set(function["Environment"]["Variables"])


def test_outputs_and_resources_in_the_guide_exist(template: Template) -> None:
    """Each output that the guide reads, and each resource that it looks up, is the stack's."""
    outputs = set(re.findall(r"output (\w+Url|\w+Arn|\w+Name)\b", GUIDE))
    resources = re.findall(r"--logical-resource-id (\w+)", GUIDE)

    assert {"QueueUrl", "PublisherPolicyArn", "ViewerPolicyArn", "OperatorPolicyArn"} < outputs
    assert outputs <= set(template["Outputs"])
    assert set(resources) <= set(template["Resources"])
    assert resources


def test_the_placeholder_in_the_guide_is_samconfigs() -> None:
    """People find in samconfig.toml what the guide tells them to replace."""
    placeholders = re.findall(r"SET-[A-Z-]+", GUIDE)

    assert placeholders == re.findall(r"=(SET-[A-Z-]+)", (ROOT / "samconfig.toml").read_text())


def test_parameters_and_files_in_the_guide_exist(template: Template) -> None:
    """The guide explains parameters that exist, and each that may be left out; each event file is there."""
    parameters = re.findall(r"^- `([A-Z]\w+)`", GUIDE, flags=re.MULTILINE)
    files = re.findall(r"`((?:events/)?[\w-]+\.json)` \(", GUIDE)

    assert set(parameters) <= set(template["Parameters"])
    assert {n for n, p in template["Parameters"].items() if p["Default"] in ("", 0)} <= set(parameters)
    assert files
    assert [name for name in files if not (ROOT / "events" / name).exists()] == []
