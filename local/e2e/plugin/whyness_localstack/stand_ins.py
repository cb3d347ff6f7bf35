"""DynamoDB without a download, and what the stack needs that LocalStack's own parts cannot do."""

from typing import Any

from localstack.aws.api import RequestContext
from localstack.aws.api.dynamodb import DynamodbApi
from localstack.aws.connect import connect_to
from localstack.runtime import hooks
from localstack.services.cloudformation.engine.v2.change_set_model_transform import ChangeSetModelTransform
from localstack.services.moto import MotoFallbackDispatcher
from localstack.services.plugins import Service, aws_provider

from .partiql import update_item


@hooks.on_infra_start()
def expand_sam_first() -> None:
    """Let a template refer to what SAM makes: Fn::Transform is sought before, and we have none."""
    ChangeSetModelTransform._execute_local_transforms = lambda _: None  # noqa: SLF001  (there is no other way in)


class _DynamoDb(DynamodbApi):
    """Moto's, with BatchExecuteStatement."""

    def batch_execute_statement(
        self, context: RequestContext, statements: list[dict[str, Any]], **_: object
    ) -> dict[str, Any]:
        """Carry out each statement by itself."""
        dynamodb = connect_to(region_name=context.region, aws_access_key_id=context.account_id).dynamodb
        return {"Responses": [_execute(dynamodb, statement) for statement in statements]}


def _execute(dynamodb: Any, statement: dict[str, Any]) -> dict[str, Any]:
    try:
        dynamodb.update_item(**update_item(statement["Statement"], statement["Parameters"]))
    except dynamodb.exceptions.ConditionalCheckFailedException as error:
        return {"Error": {"Code": "ConditionalCheckFailed", "Message": str(error)}}
    return {}


@aws_provider(api="dynamodb", name="whyness")
def dynamodb_whyness() -> Service:
    """PROVIDER_OVERRIDE_DYNAMODB=whyness."""
    return Service.for_provider(_DynamoDb(), dispatch_table_factory=MotoFallbackDispatcher)
