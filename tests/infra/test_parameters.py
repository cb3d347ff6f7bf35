"""Parameters, their rules, the environments of samconfig.toml, and the outputs."""

import itertools
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.infra.cloudformation import refusals
from whyness_events.delivery.settings import SETTINGS
from whyness_ops.stack import NAMES

Template = dict[str, Any]
SAMCONFIG = Path(__file__).resolve().parents[2] / "samconfig.toml"
PRODUCTION = "2780485"
DEV = {"EnvironmentName": "dev", "MixpanelProjectId": "3100001"}
PROD = {"EnvironmentName": "prod", "AlarmEmail": "ops@example.com"}
TOPIC = "arn:aws:sns:eu-west-1:123456789012:pages"


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
    """No parameter takes just anything; production needs nothing but its name and who gets the alarms."""
    bounds = {"AllowedValues", "AllowedPattern", "MinValue"}

    assert [name for name, p in template["Parameters"].items() if not bounds & set(p)] == []
    assert refusals(template, PROD) == []


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


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        (DEV, []),
        (DEV | {"AlarmEmail": "ops@example.com"}, []),
        (DEV | {"AlarmTopicArn": TOPIC}, []),
        (DEV | {"AlarmEmail": "ops@example.com", "AlarmTopicArn": TOPIC}, ["AlarmsReachOnePlace"]),
        (PROD, []),
        (PROD | {"AlarmEmail": "", "AlarmTopicArn": TOPIC}, []),
        (PROD | {"AlarmTopicArn": TOPIC}, ["AlarmsReachOnePlace"]),
        (PROD | {"AlarmEmail": ""}, ["ProductionIsHeard"]),
    ],
)
def test_alarms_go_to_one_place_and_in_production_to_somebody(
    template: Template, given: dict[str, str], refused: list[str]
) -> None:
    """An address or a topic, never both; only dev may have neither."""
    assert [refusal.split(":")[0] for refusal in refusals(template, given)] == refused


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        (
            "AlarmTopicArn",
            [TOPIC, TOPIC.replace("aws", "aws-us-gov", 1)],
            ["pages", TOPIC + ".fifo", TOPIC.replace("sns", "sqs"), f"{TOPIC},{TOPIC}", TOPIC.upper()],
        ),
        (
            "MixpanelApiUrl",
            ["https://mixpanel.example.com", "http://127.0.0.1:8080", "http://localhost", "http://[::1]:1/x"],
            [
                "mixpanel.example.com",
                "http://mixpanel.example.com",
                "http://127.0.0.1.example.com",
                "https://a b",
            ],
        ),
        (
            "ServiceAccountExpires",
            ["2027-01-31", "2030-12-01"],
            ["31.1.2027", "2027-1-31", "2027-13-01", "2027-01-32", "2027-01-31T00:00", "soon"],
        ),
        ("Revision", ["v1.2.0-3-g0123abc-dirty", "0123abc", "release/2027+1"], ["v1 2", "$(id)", "x" * 129]),
        ("SilenceAlarmHours", ["0", "1", "168"], ["-1", "169", "12h"]),
        ("VolumeAlarmEventsPerHour", ["0", "1000000"], ["-1", "many"]),
    ],
)
def test_a_parameter_takes_what_it_says_and_nothing_else(
    template: Template, name: str, taken: list[str], refused: list[str]
) -> None:
    """What would fail halfway through a deployment is refused before it."""
    assert [value for value in taken if refusals(template, DEV | {name: value})] == []
    assert [value for value in refused if not refusals(template, DEV | {name: value})] == []


def test_a_url_that_deploys_is_one_that_the_function_takes(template: Template) -> None:
    """What the parameter lets through, the function's own settings take, and the other way round."""
    [setting] = [setting for setting in SETTINGS if setting.name == "MIXPANEL_API_URL"]
    urls = [
        "https://a.example",
        "https://a.example:8443/x",
        "http://127.0.0.1:1",
        "http://a.example",
        "ftp://a",
        "a",
    ]

    deployed = [url for url in urls if not refusals(template, DEV | {"MixpanelApiUrl": url})]

    assert deployed == [url for url in urls if setting.fits(url)]


def test_production_sends_to_mixpanel_itself(template: Template) -> None:
    """A stand-in's address left over in a configuration cannot swallow production's events."""
    [refusal] = refusals(template, PROD | {"MixpanelApiUrl": "https://mixpanel.example.com"})

    assert refusal.startswith("ProductionReachesMixpanel")


def test_the_outputs_are_those_that_other_tools_rely_on(template: Template) -> None:
    """The stack's outputs are a contract: exactly these, each of the right resource, described."""
    outputs = template["Outputs"]

    assert {name: output["Value"] for name, output in outputs.items() if name != "DashboardUrl"} == {
        "QueueUrl": {"Ref": "EventQueue"},
        "DeadLetterQueueUrl": {"Ref": "DeadLetterQueue"},
        "LogTableName": {"Ref": "LogTable"},
        "PublisherPolicyArn": {"Ref": "PublisherPolicy"},
        "ViewerPolicyArn": {"Ref": "ViewerPolicy"},
        "OperatorPolicyArn": {"Ref": "OperatorPolicy"},
        "FunctionName": {"Ref": "SendEventsFunction"},
        "LogGroupName": {"Ref": "SendEventsLogs"},
        "EventSourceMappingId": {"Ref": "SendEventsFunctionRecords"},
        "SecretArn": {"Ref": "MixpanelSecret"},
        "AlarmTopicArn": {"Fn::If": ["HasAlarmEmail", {"Ref": "AlarmTopic"}, {"Ref": "AlarmTopicArn"}]},
    }
    assert {name: o["Condition"] for name, o in outputs.items() if "Condition" in o} == {
        "AlarmTopicArn": "IsHeard",
        "DashboardUrl": "IsProduction",
    }
    assert outputs["DashboardUrl"]["Value"]["Fn::Sub"].endswith("#dashboards/dashboard/${Dashboard}")
    assert all(output["Description"] for output in outputs.values())


def test_the_command_line_finds_the_parts_by_outputs_that_exist(template: Template) -> None:
    """Each output that whyness-mixpanel looks for is the template's."""
    assert {output for _, output, _ in NAMES} <= set(template["Outputs"])


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
    """With the address of who gets the alarms, prod deploys to the production project, after a last look."""
    parameters = overrides(samconfig, "prod")

    [refusal] = refusals(template, parameters)

    assert "AlarmEmail" in refusal
    assert "samconfig.toml" in refusal
    assert refusals(template, parameters | {"AlarmEmail": "ops@example.com"}) == []
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
