"""Parameters, their rules, the environments of samconfig.toml, and the outputs."""

import itertools
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.infra.cloudformation import refusals

Template = dict[str, Any]
SAMCONFIG = Path(__file__).resolve().parents[2] / "samconfig.toml"
PRODUCTION = "2780485"
DEV = {"EnvironmentName": "dev", "MixpanelProjectId": "3100001"}


@pytest.fixture
def samconfig() -> dict[str, Any]:
    """Return samconfig.toml."""
    return tomllib.loads(SAMCONFIG.read_text())


def overrides(samconfig: dict[str, Any], environment: str) -> dict[str, str]:
    """Return the parameters that an environment deploys with."""
    entries = samconfig[environment]["deploy"]["parameters"]["parameter_overrides"]
    return dict(entry.split("=", 1) for entry in entries)


def test_every_parameter_is_described_and_grouped(template: Template) -> None:
    """Whoever deploys from the console sees what each parameter means, in its group."""
    parameters = template["Parameters"]
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]

    assert {name for name, parameter in parameters.items() if len(parameter["Description"]) < 30} == set()
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(parameters)


def test_every_parameter_is_bounded_and_has_a_default_that_fits(template: Template) -> None:
    """No parameter takes just anything, and with the production environment named the defaults deploy."""
    bounds = {"AllowedValues", "AllowedPattern", "MinValue"}

    assert [name for name, p in template["Parameters"].items() if not bounds & set(p)] == []
    assert refusals(template, {"EnvironmentName": "prod"}) == []


def test_production_is_the_default_project(template: Template) -> None:
    """Parameter MixpanelProjectId defaults to the project of the Whyness site."""
    assert template["Parameters"]["MixpanelProjectId"]["Default"] == PRODUCTION


def test_nobody_reaches_production_by_leaving_something_out(template: Template) -> None:
    """With no parameter given at all, the deployment is refused."""
    assert [refusal.split(":")[0] for refusal in refusals(template, {})] == ["DevNeverReachesProduction"]


@pytest.mark.parametrize(
    "project", [PRODUCTION, "02780485", " 2780485", "2780485 ", "2780485.0", "+2780485", "2,780,485", ""]
)
def test_dev_cannot_reach_the_production_project(template: Template, project: str) -> None:
    """No way of writing the production project's number gets past the dev environment."""
    assert refusals(template, {"EnvironmentName": "dev", "MixpanelProjectId": project}) != []


def test_dev_deploys_with_a_project_of_its_own(template: Template) -> None:
    """Another project is all that dev needs."""
    assert refusals(template, DEV) == []


def test_concurrent_clients_stay_within_mixpanels_advice(template: Template) -> None:
    """Every concurrency and thread count that deploys makes 10 to 20 clients, and each such pair deploys."""
    threads = map(int, template["Parameters"]["SenderThreads"]["AllowedValues"])
    pairs = list(itertools.product(threads, range(1, 22)))

    deployable = {
        (thread_count, concurrency)
        for thread_count, concurrency in pairs
        if not refusals(
            template, DEV | {"SenderThreads": str(thread_count), "MaximumConcurrency": str(concurrency)}
        )
    }

    assert deployable == {pair for pair in pairs if 10 <= pair[0] * pair[1] <= 20 and pair[1] >= 2}


@pytest.mark.parametrize("address", ["ops", "@example.com", "a@b c@d", "ops@example.com, b@example.com"])
def test_an_alarm_address_is_one_address(template: Template, address: str) -> None:
    """What SNS would refuse halfway through a deployment is refused before it."""
    assert refusals(template, DEV | {"AlarmEmail": address}) != []


def test_the_outputs_are_those_that_other_tools_rely_on(template: Template) -> None:
    """The stack's outputs are a contract: exactly these, each of the right resource, described."""
    outputs = template["Outputs"]

    assert {name: output["Value"] for name, output in outputs.items() if name != "DashboardUrl"} == {
        "QueueUrl": {"Ref": "EventQueue"},
        "DeadLetterQueueUrl": {"Ref": "DeadLetterQueue"},
        "LogTableName": {"Ref": "LogTable"},
        "PublisherPolicyArn": {"Ref": "PublisherPolicy"},
    }
    assert outputs["DashboardUrl"]["Value"]["Fn::Sub"].endswith("#dashboards/dashboard/${Dashboard}")
    assert all(output["Description"] for output in outputs.values())


def test_samconfig_builds_and_validates_the_template(samconfig: dict[str, Any]) -> None:
    """Commands find the template; a deployment does not find the unbuilt one."""
    default = samconfig["default"]

    assert default["build"]["parameters"]["template_file"] == "infra/template.yaml"
    assert default["validate"]["parameters"]["template_file"] == "infra/template.yaml"
    assert not any(
        "template_file" in config.get("global", {}).get("parameters", {}) for config in _sections(samconfig)
    )


def _sections(samconfig: dict[str, Any]) -> list[dict[str, Any]]:
    return [section for section in samconfig.values() if isinstance(section, dict)]


def test_prod_of_samconfig_deploys_to_production(template: Template, samconfig: dict[str, Any]) -> None:
    """The prod environment is accepted as it stands, for the production project, after a last look."""
    parameters = overrides(samconfig, "prod")

    assert refusals(template, parameters) == []
    assert (parameters["EnvironmentName"], parameters["MixpanelProjectId"]) == ("prod", PRODUCTION)
    assert samconfig["prod"]["deploy"]["parameters"]["confirm_changeset"] is True


def test_dev_of_samconfig_says_what_to_fill_in(template: Template, samconfig: dict[str, Any]) -> None:
    """Until a scratch project is named, the dev environment is refused with a sentence that says so."""
    parameters = overrides(samconfig, "dev")

    [refusal] = refusals(template, parameters)

    assert "samconfig.toml" in refusal
    assert "dev environment needs a project of its own" in refusal
    assert refusals(template, parameters | {"MixpanelProjectId": PRODUCTION}) != []
    assert refusals(template, parameters | {"MixpanelProjectId": "3100001"}) == []


def test_the_environments_share_no_stack(samconfig: dict[str, Any]) -> None:
    """A deployment to one environment cannot land in the other."""
    names = [samconfig[environment]["global"]["parameters"]["stack_name"] for environment in ("dev", "prod")]

    assert len(set(names)) == 2
    assert "stack_name" not in samconfig["default"]["global"]["parameters"]
