from pathlib import Path

import pytest
import yaml

from local.emulator import REGION
from local.event_source_mapping import EventSourceMapping
from local.runtime import Function
from local.template import Template, TemplateError

TEXT = """
Parameters:
  Size: {Type: Number, Default: 512}
  Name: {Type: String}
Resources:
  Thing:
    Type: Some::Thing
    Properties:
      Size: !Ref Size
      Name: !Ref Name
      Arn: !GetAtt Other.Arn
      Text: !Sub "${Name}-of-${AWS::Region}-${!literal}-${Other.Arn}"
      List: [!Ref Size, {Inner: !Ref Size}]
      Known: !If [Condition, !Ref Size, !Ref AWS::NoValue]
  Empty: {Type: Some::Thing}
"""


@pytest.fixture
def template(tmp_path: Path) -> Template:
    """Return a small template with all forms of reference."""
    path = tmp_path / "template.yaml"
    path.write_text(TEXT)
    return Template.read(path, Name="it")


def test_references_are_resolved_from_parameters_and_values(template: Template) -> None:
    """Ref, GetAtt and Sub give the default, the given parameter, or the value that was added."""
    known = template.with_values({"Other.Arn": "arn:other", "AWS::Region": REGION})

    properties = known.properties("Thing")

    assert properties["Size"] == 512
    assert properties["Name"] == "it"
    assert properties["Arn"] == "arn:other"
    assert properties["Text"] == f"it-of-{REGION}-${{!literal}}-arn:other"
    assert properties["List"] == [512, {"Inner": 512}]
    assert known.value("Name") == "it"


def test_what_has_no_value_stays_as_it_is(template: Template) -> None:
    """An unknown reference is left in the document, where its user can see it."""
    properties = template.properties("Thing")

    assert properties["Arn"] == {"Fn::GetAtt": ["Other", "Arn"]}
    assert properties["Text"] == "it-of-${AWS::Region}-${!literal}-${Other.Arn}"
    assert properties["Known"] == {"Fn::If": ["Condition", 512, {"Ref": "AWS::NoValue"}]}
    with pytest.raises(TemplateError, match=r"AWS::Region"):
        template.value("AWS::Region")


def test_adding_values_leaves_the_template_itself_alone(template: Template) -> None:
    """Two stacks may share one template."""
    template.with_values({"Other.Arn": "arn:other"})

    assert template.properties("Thing")["Arn"] == {"Fn::GetAtt": ["Other", "Arn"]}


def test_missing_resource_and_missing_file_are_named(template: Template, tmp_path: Path) -> None:
    """The error names what is missing."""
    with pytest.raises(TemplateError, match="NoSuchThing"):
        template.properties("NoSuchThing")
    with pytest.raises(TemplateError, match=r"absent\.yaml"):
        Template.read(tmp_path / "absent.yaml")


def test_yaml_tags_cannot_run_code(tmp_path: Path) -> None:
    """A template is data: a Python tag is refused."""
    path = tmp_path / "template.yaml"
    path.write_text("Resources: !!python/object/apply:os.getcwd []")

    with pytest.raises(yaml.constructor.ConstructorError):
        Template.read(path)


def test_project_s_template_gives_all_that_the_local_pipeline_reads() -> None:
    """The function, its event source and its environment are found in infra/template.yaml."""
    properties = Template.read().properties("SendEventsFunction")

    [event] = properties["Events"].values()
    mapping = EventSourceMapping.from_properties(event["Properties"])
    function = Function.from_properties(properties, code_dir=Path(), environment={})

    assert event["Type"] == "SQS"
    assert mapping.reports_item_failures
    assert mapping.batch_size > 10
    assert function.handler == "handler.handler"
    assert function.timeout_s > 3
    assert {"QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "LOG_TABLE_NAME", "MIXPANEL_API_URL"} <= set(
        properties["Environment"]["Variables"]
    )
