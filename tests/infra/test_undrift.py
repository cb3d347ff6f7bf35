"""infra/undrift.py against botocore's stub, which knows every parameter and answer of the API."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from infra.undrift import ROOT, Undrift, UndriftError, stack_of

STACK = "whyness-mixpanel-dev"
DRIFTED = {
    "LogicalResourceId": "DeadLetterQueuePolicy",
    "ResourceType": "AWS::SQS::QueuePolicy",
    "Action": "Modify",
    "Details": [
        {"Target": {"Path": "/Properties/PolicyDocument", "BeforeValue": "by hand", "AfterValue": "ours"}}
    ],
}
DELETED = {"LogicalResourceId": "Dashboard", "ResourceType": "AWS::CloudWatch::Dashboard", "Action": "Add"}
SECRET = {
    "LogicalResourceId": "MixpanelSecret",
    "ResourceType": "AWS::SecretsManager::Secret",
    "Action": "Modify",
    "Details": [{"Target": {"Name": "Description", "BeforeValue": "mine", "AfterValue": "ours"}}],
}


class Run:
    """One run against a stub, with what it printed."""

    def __init__(self, *, confirmed: bool = True) -> None:
        self.client = boto3.client(
            "cloudformation", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self.stub = Stubber(self.client)
        self.said: list[str] = []
        self.slept: list[float] = []
        self.undrift = Undrift(
            self.client, STACK, confirm=lambda: confirmed, say=self.said.append, sleep=self.slept.append
        )
        self.names = {"StackName": STACK, "ChangeSetName": ANY}
        self._expect_creation()

    def _expect_creation(self) -> None:
        parameter = {"ParameterKey": "MemorySize", "ParameterValue": "512"}
        stack = {"StackName": STACK, "CreationTime": "2026-11-26", "StackStatus": "UPDATE_COMPLETE"}
        self.stub.add_response("describe_stacks", {"Stacks": [{**stack, "Parameters": [parameter]}]})
        self.stub.add_response(
            "create_change_set",
            {"Id": "arn:aws:cloudformation:us-east-1:1:changeSet/x"},
            {
                **self.names,
                "ChangeSetType": "UPDATE",
                "DeploymentMode": "REVERT_DRIFT",
                "UsePreviousTemplate": True,
                "Parameters": [{"ParameterKey": "MemorySize", "UsePreviousValue": True}],
                "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            },
        )

    def describes(self, answer: dict[str, Any], **asked: str) -> None:
        """Answer the next look at the change set."""
        expected = {**self.names, "IncludePropertyValues": True, **asked}
        self.stub.add_response("describe_change_set", answer, expected)

    def finds(self, *resources: dict[str, Any]) -> None:
        """Answer the next look with these changes, a page each."""
        for number, resource in enumerate(resources):
            answer = {
                "Status": "CREATE_COMPLETE",
                "Changes": [{"Type": "Resource", "ResourceChange": resource}],
            }
            more = {"NextToken": f"{number + 1}"} if number + 1 < len(resources) else {}
            self.describes({**answer, **more}, **({"NextToken": f"{number}"} if number else {}))

    def drops(self) -> None:
        """Expect that the change set goes."""
        self.stub.add_response("delete_change_set", {}, self.names)

    def run(self) -> bool:
        """Run it, and see that nothing expected was left out."""
        with self.stub:
            found = self.undrift.run()
            self.stub.assert_no_pending_responses()
        return found


def test_each_property_is_shown_before_and_after_and_then_put_back() -> None:
    """All pages are read, also of a resource that somebody deleted; it ends when CloudFormation has ended."""
    run = Run()
    run.describes({"Status": "CREATE_IN_PROGRESS"})
    run.finds(DRIFTED, DELETED)
    run.stub.add_response("execute_change_set", {}, run.names)
    run.describes({"Status": "CREATE_COMPLETE", "ExecutionStatus": "EXECUTE_IN_PROGRESS"})
    run.describes({"Status": "CREATE_COMPLETE", "ExecutionStatus": "EXECUTE_COMPLETE"})

    assert run.run()
    shown = "\n".join(run.said)
    assert "DeadLetterQueuePolicy (AWS::SQS::QueuePolicy) /Properties/PolicyDocument" in shown
    assert "now     by hand\n  becomes ours" in shown
    assert "Dashboard (AWS::CloudWatch::Dashboard) (Add)" in shown
    assert len(run.slept) == 2


def test_a_person_who_says_no_changes_nothing() -> None:
    """The change set is dropped, not executed."""
    run = Run(confirmed=False)
    run.finds(DRIFTED)
    run.drops()

    assert not run.run()


def test_a_change_set_with_the_secret_in_it_is_refused() -> None:
    """Whatever differs there: to put it back could write over the credentials in use."""
    run = Run()
    run.finds(DRIFTED, SECRET)
    run.drops()

    with pytest.raises(UndriftError, match="credentials in use"):
        run.run()
    assert "mine" not in "".join(run.said), "a value of the secret was printed"


@pytest.mark.parametrize(
    "reason",
    ["The submitted information didn't contain changes.", "No updates are to be performed."],
)
def test_a_stack_without_drift_is_said_to_be_as_its_template(reason: str) -> None:
    """CloudFormation calls a change set without changes failed."""
    run = Run()
    run.describes({"Status": "FAILED", "StatusReason": reason})
    run.drops()

    assert run.run()
    assert "nothing to revert" in run.said[-1]


def test_a_failed_comparison_and_a_failed_execution_are_told() -> None:
    """In CloudFormation's words, or with the command that has them."""
    compared, executed = Run(), Run()
    compared.describes({"Status": "FAILED", "StatusReason": "no permission"})
    compared.drops()
    executed.finds(DRIFTED)
    executed.stub.add_response("execute_change_set", {}, executed.names)
    executed.describes({"Status": "CREATE_COMPLETE", "ExecutionStatus": "EXECUTE_FAILED"})

    with pytest.raises(UndriftError, match="no permission"):
        compared.run()
    with pytest.raises(UndriftError, match="describe-stack-events"):
        executed.run()


def test_an_error_while_waiting_drops_the_change_set() -> None:
    """It would lie there, to be executed by mistake."""
    run = Run()
    run.stub.add_client_error("describe_change_set", "Throttling")
    run.drops()

    with pytest.raises(ClientError):
        run.run()


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_both_environments_name_their_stack(environment: str) -> None:
    """The stack and region that deployments go to."""
    samconfig = (ROOT / "samconfig.toml").read_text()

    assert stack_of(samconfig, environment) == (f"whyness-mixpanel-{environment}", "us-east-1")


def test_another_environment_is_refused_by_name() -> None:
    """A mistyped one asks AWS nothing."""
    with pytest.raises(UndriftError, match="'stage'"):
        stack_of("", "stage")
