"""make deploy, rollback and destroy: what is shown, asked, refused, kept."""

import io
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from infra import console, destroy, rollback
from infra.build import ROOT, SAM
from infra.change_set import ChangeError
from infra.console import Refused, ask, run
from infra.deploy import check_tree, deploy_command, destination
from infra.destroy import Clients
from infra.releases import ReleaseError, Releases
from infra.samconfig import ConfigError, Environment, read_environment

SAMCONFIG = (ROOT / "samconfig.toml").read_text()
TEMPLATE = """
Resources:
  SendEventsFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: s3://bucket/prefix/with/parts/0123abc
      Role: !GetAtt SendEventsRole.Arn
      Name: !Sub "${AWS::StackName}-x"
"""


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_both_environments_say_where_they_go(name: str) -> None:
    """Stack, region and processor: what is left out would keep its last value."""
    environment = read_environment(SAMCONFIG, name)

    assert (environment.stack, environment.region) == (f"whyness-mixpanel-{name}", "us-east-1")
    assert environment.architecture == "arm64"
    assert environment.tags["environment"] == name


def test_an_environment_that_is_not_there_is_refused_by_name() -> None:
    """A mistyped one builds nothing and asks AWS nothing."""
    with pytest.raises(ConfigError, match=r"'stage'.*dev or prod"):
        read_environment(SAMCONFIG, "stage")
    with pytest.raises(ConfigError, match="names no Architecture"):
        Environment("dev", "s", "r", {}, {}).architecture  # noqa: B018  (it raises)


def test_a_person_reads_where_it_goes_before_it_goes() -> None:
    """Account, region, stack, project, revision."""
    text = destination(read_environment(SAMCONFIG, "prod"), "123456789012", "v1-2-gabc")

    for part in ("123456789012", "us-east-1", "whyness-mixpanel-prod", "2780485", "v1-2-gabc"):
        assert part in text


@pytest.mark.parametrize(
    ("name", "revision", "is_refused"),
    [("prod", "v1-dirty", True), ("prod", "v1", False), ("dev", "v1-dirty", False)],
)
def test_production_takes_a_clean_tree_only(name: str, revision: str, *, is_refused: bool) -> None:
    """A revision that nobody could find again goes to dev at most."""
    environment = read_environment(SAMCONFIG, name)
    if is_refused:
        with pytest.raises(Refused, match="Commit or stash"):
            check_tree(environment, revision)
    else:
        check_tree(environment, revision)


def test_no_run_of_sam_reports_to_its_maker() -> None:
    """Each module that starts sam switches its telemetry off."""
    texts = {path.name: path.read_text() for path in (ROOT / "infra").glob("*.py")}
    starts = {name for name, text in texts.items() if re.search(r"run\(.*(SAM|sam\b|deploy_command)", text)}

    assert starts >= {"build.py", "deploy.py"}
    assert [name for name in starts if "SAM_CLI_TELEMETRY" not in texts[name]] == []


def test_the_command_has_all_parameters_and_tags() -> None:
    """What is given on the command line replaces the lists of samconfig.toml."""
    environment = read_environment(SAMCONFIG, "prod")

    command = deploy_command(environment, {"revision": "v1"}, "v1", yes=True)

    assert command[:4] == [str(SAM), "deploy", "--config-env", "prod"]
    assert {f"{name}={value}" for name, value in environment.overrides.items()} < set(command)
    assert {f"{name}={value}" for name, value in environment.tags.items()} < set(command)
    assert {"Revision=v1", "revision=v1", "--no-confirm-changeset"} < set(command)
    assert "--no-confirm-changeset" not in deploy_command(environment, {}, "v1", yes=False)


@pytest.mark.parametrize(("typed", "is_yes"), [("y", True), (" YES ", True), ("", False), ("n", False)])
def test_only_a_yes_is_a_yes(monkeypatch: pytest.MonkeyPatch, typed: str, *, is_yes: bool) -> None:
    """Enter alone is a no."""
    monkeypatch.setattr("builtins.input", lambda _: typed)

    assert ask("Go on?") is is_yes


def test_no_terminal_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    """In CI, without YES=1."""
    monkeypatch.setattr("sys.stdin", io.StringIO())

    assert not ask("Go on?")


@pytest.mark.parametrize(
    "error",
    [
        NoCredentialsError(),
        ClientError({"Error": {"Code": "AccessDenied", "Message": "words"}}, "DescribeStacks"),
        ConfigError("words"),
        Refused("words"),
        ReleaseError("words"),
        ChangeError("words"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 2; a person's no is 1, Ctrl-C 130."""

    def fail() -> bool:
        raise error

    def interrupt() -> bool:
        raise KeyboardInterrupt

    assert run("make deploy", fail) == console.FAILED
    assert capsys.readouterr().err.startswith("make deploy: ")
    assert (run("x", lambda: True), run("x", lambda: False), run("x", interrupt)) == (0, 1, 130)


# --- releases and rollback


class FakeS3:
    """Objects by key."""

    class meta:  # noqa: N801, D106  (boto3's name)
        region_name = "eu-west-1"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803  (boto3's names)
        """As boto3's client."""
        self.objects[f"{Bucket}/{Key}"] = Body

    def head_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803  (boto3's names)
        """As boto3's client."""
        if f"{Bucket}/{Key}" not in self.objects:
            raise ClientError({"Error": {"Code": "404", "Message": ""}}, "HeadObject")

    def list_objects_v2(self, *, Bucket: str, Prefix: str) -> dict[str, Any]:  # noqa: N803  (boto3's names)
        """As boto3's client."""
        keys = [key.removeprefix(f"{Bucket}/") for key in self.objects]
        now = datetime(2026, 11, 27, tzinfo=UTC)
        return {"Contents": [{"Key": key, "LastModified": now} for key in keys if key.startswith(Prefix)]}


class FakeCloudFormation:
    """A stack with a template of which S3 has the code."""

    def __init__(self, template: str = TEMPLATE, **stack: Any) -> None:
        self.template = template
        self.stack = {"StackId": "arn", "Parameters": [{"ParameterKey": "Revision"}], **stack}
        self.calls: list[str] = []

    def get_template(self, **_: str) -> dict[str, str]:
        """As boto3's client."""
        return {"TemplateBody": self.template}

    def get_template_summary(self, **_: str) -> dict[str, Any]:
        """As boto3's client: the stored template has a parameter fewer and one more."""
        return {"Parameters": [{"ParameterKey": "Revision"}, {"ParameterKey": "MemorySize"}]}

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        """As boto3's client."""
        return {"Stacks": [self.stack]}

    def update_termination_protection(self, **_: object) -> None:
        """As boto3's client."""
        self.calls.append("unprotect")

    def delete_stack(self, **_: str) -> None:
        """As boto3's client."""
        self.calls.append("delete")

    def get_waiter(self, _: str) -> "FakeCloudFormation":
        """As boto3's client."""
        return self

    def wait(self, **_: str) -> None:
        """As boto3's waiter."""


def test_a_release_is_found_by_its_revision() -> None:
    """Beside the code, under the prefix of the stack; its text is what was deployed."""
    s3 = FakeS3()
    releases = Releases(s3, FakeCloudFormation(), "s")

    place = releases.store("v1-2-gabc")

    assert place == "s3://bucket/prefix/with/parts/releases/v1-2-gabc.yaml"
    assert s3.objects[place.removeprefix("s3://")] == TEMPLATE.encode()
    assert releases.find("v1-2-gabc").startswith(
        "https://bucket.s3.eu-west-1.amazonaws.com/prefix/with/parts/"
    )


def test_a_revision_that_was_never_deployed_names_those_that_were() -> None:
    """Or says that there are none; a stack whose code is elsewhere says so."""
    releases = Releases(FakeS3(), FakeCloudFormation(), "s")
    with pytest.raises(ReleaseError, match="Stored revisions: none"):
        releases.find("v9")
    releases.store("v1")
    with pytest.raises(ReleaseError, match=r"v9 was not deployed to s. Stored revisions: v1\."):
        releases.find("v9")
    with pytest.raises(ReleaseError, match="not in S3"):
        Releases(FakeS3(), FakeCloudFormation(TEMPLATE.replace("s3://", "./")), "s").store("v1")


def test_a_rollback_keeps_the_parameters_and_says_its_revision() -> None:
    """Those that the older template has; its revision is in parameter and tag."""
    stack: dict[str, Any] = {"Parameters": [{"ParameterKey": n} for n in ("Revision", "MemorySize", "Newer")]}
    cloudformation = FakeCloudFormation(
        **stack, Tags=[{"Key": "revision", "Value": "v2"}, {"Key": "a", "Value": "b"}]
    )
    releases = Releases(FakeS3(), cloudformation, "s")
    releases.store("v1")
    asked: list[dict[str, Any]] = []

    class Recording:
        """Notes what it is asked to do."""

        def run(self, **template: Any) -> bool:
            """As ChangeSet."""
            asked.append(template)
            return True

    assert rollback.rollback(cloudformation, releases, Recording(), "v1")  # type: ignore[arg-type]

    [template] = asked
    assert template["TemplateURL"] == releases.find("v1")
    assert template["Parameters"] == [
        {"ParameterKey": "MemorySize", "UsePreviousValue": True},
        {"ParameterKey": "Revision", "ParameterValue": "v1"},
    ]
    assert template["Tags"] == [{"Key": "a", "Value": "b"}, {"Key": "revision", "Value": "v1"}]


# --- destroy

OUTPUTS = {"QueueUrl": "q", "DeadLetterQueueUrl": "d", "LogTableName": "Log"}


class FakeContents:
    """Two queues and a table with so many things in each."""

    def __init__(self, queue: int = 0, dead: int = 0, rows: int = 0) -> None:
        self.counts = {"q": queue, "d": dead}
        self.rows = rows

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> Any:  # noqa: N803  (boto3's names)
        """As boto3's client; messages may be hidden or delayed as well as visible."""
        return {"Attributes": {AttributeNames[1]: str(self.counts[QueueUrl])}}

    def scan(self, **_: object) -> dict[str, int]:
        """As boto3's client."""
        return {"Count": self.rows}


def stack_with(contents: FakeContents, **stack: Any) -> tuple[Clients, FakeCloudFormation]:
    """Return a stack that holds these."""
    outputs = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()]
    cloudformation = FakeCloudFormation(Outputs=outputs, **stack)
    return Clients(cloudformation, contents, contents), cloudformation


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        (FakeContents(queue=3), "the queue holds 3 messages"),
        (FakeContents(dead=2), "the dead-letter queue holds 2 messages"),
        (FakeContents(rows=1), "the Log table Log holds rows"),
    ],
)
def test_a_stack_that_holds_anything_is_not_deleted(contents: FakeContents, text: str) -> None:
    """Nor is anybody asked."""
    clients, cloudformation = stack_with(contents)

    with pytest.raises(Refused, match=text):
        destroy.destroy(clients, "s", typed=lambda: pytest.fail("asked"))
    assert cloudformation.calls == []


def test_an_empty_stack_goes_once_its_name_is_typed() -> None:
    """Termination protection is taken off only then; another name deletes nothing."""
    clients, cloudformation = stack_with(FakeContents(), EnableTerminationProtection=True)

    assert not destroy.destroy(clients, "s", typed=lambda: "another")
    assert cloudformation.calls == []
    assert destroy.destroy(clients, "s", typed=lambda: "s")
    assert cloudformation.calls == ["unprotect", "delete"]
