"""Create the queues, the table and the secret in an account, as the template describes them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.emulator import REGION, Account
from local.template import Template

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_STACK_NAME = "local"
# Properties of a queue that are not attributes in the SQS API.
_NO_QUEUE_ATTRIBUTES = {"QueueName", "Tags"}
_TABLE_ARGUMENTS = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode")


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources, and the template with their names filled in."""

    queue_url: str
    dead_letter_queue_url: str
    log_table_name: str
    secret_arn: str
    template: Template


def create_resources(account: Account, template: Template, *, secret: Mapping[str, str]) -> Resources:
    """Create EventQueue, DeadLetterQueue, LogTable and MixpanelSecret as the template describes them.

    `secret` is the content of the secret, instead of the template's placeholder.
    """
    template = template.with_values(
        {
            "AWS::StackName": _STACK_NAME,
            "AWS::Region": REGION,
            "AWS::AccountId": account.access_key,
            "AWS::Partition": "aws",
        }
    )
    sqs = account.client("sqs")
    template = _create_queue(sqs, "DeadLetterQueue", template)  # first, because the other queue refers to it
    template = _create_queue(sqs, "EventQueue", template)
    table_name = _create_table(account, template.properties("LogTable"))
    secret_arn = account.client("secretsmanager").create_secret(
        Name="mixpanel", SecretString=json.dumps(dict(secret))
    )["ARN"]
    template = template.with_values({"LogTable": table_name, "MixpanelSecret": secret_arn})
    return Resources(
        queue_url=template.value("EventQueue"),
        dead_letter_queue_url=template.value("DeadLetterQueue"),
        log_table_name=table_name,
        secret_arn=secret_arn,
        template=template,
    )


def _create_queue(sqs: "SQSClient", logical_id: str, template: Template) -> Template:
    properties = template.properties(logical_id)
    attributes: Any = {
        name: json.dumps(value) if isinstance(value, dict) else str(value).lower()
        for name, value in properties.items()
        if name not in _NO_QUEUE_ATTRIBUTES
    }
    url = sqs.create_queue(QueueName=properties["QueueName"], Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return template.with_values({logical_id: url, f"{logical_id}.Arn": arn})


def _create_table(account: Account, properties: Mapping[str, Any]) -> str:
    dynamodb = account.client("dynamodb")
    arguments: Any = {name: properties[name] for name in _TABLE_ARGUMENTS}
    name = dynamodb.create_table(TableName="Log", **arguments)["TableDescription"]["TableName"]
    time_to_live = properties["TimeToLiveSpecification"]
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=time_to_live)
    return name
