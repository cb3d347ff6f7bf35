"""Edge: clients with the AWS CLI's settings, and AWS's errors as sentences."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from whyness_ops.errors import SetupFault

_MISSING = {
    "QueueDoesNotExist",
    "ResourceNotFound",
    "NonExistentQueue",
    "ResourceNotFoundException",
    "InvalidAddress",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "KMS.AccessDeniedException", "KmsAccessDenied"}
_WRONG_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
}
NOT_IMPLEMENTED = {"InvalidAction", "UnknownOperationException"}


class Aws:
    """Clients, created when first used.

    Args:
        profile: of the shared configuration; None leaves each argument to the SDK.
        region: of the stack.
        endpoint_url: instead of AWS's, for all services.
    """

    def __init__(
        self, *, profile: str | None = None, region: str | None = None, endpoint_url: str | None = None
    ) -> None:
        self._profile = profile
        self._region = region
        self._endpoint_url = endpoint_url

    @cached_property
    def sqs(self) -> Any:
        """SQS."""
        return self._client("sqs")

    @cached_property
    def dynamodb(self) -> Any:
        """DynamoDB."""
        return self._client("dynamodb")

    @cached_property
    def cloudformation(self) -> Any:
        """CloudFormation."""
        return self._client("cloudformation")

    @cached_property
    def cloudwatch(self) -> Any:
        """CloudWatch: metrics and alarms."""
        return self._client("cloudwatch")

    @cached_property
    def logs(self) -> Any:
        """CloudWatch Logs."""
        return self._client("logs")

    @cached_property
    def functions(self) -> Any:
        """Lambda."""
        return self._client("lambda")

    @cached_property
    def secrets(self) -> Any:
        """Secrets Manager."""
        return self._client("secretsmanager")

    @cached_property
    def sns(self) -> Any:
        """SNS."""
        return self._client("sns")

    def open(self) -> None:
        """Make the clients that threads will share: boto3 makes one after the other only."""
        for client in ("sqs", "cloudformation", "cloudwatch", "logs", "functions", "secrets", "sns"):
            getattr(self, client)

    def caller(self) -> str:
        """Return the ARN of the caller.

        Raises:
            SetupFault: STS refuses or cannot be reached.
        """
        with explained("STS"):
            return str(self._client("sts").get_caller_identity()["Arn"])

    def _client(self, service: str) -> Any:
        # The import takes longer than all else together, and a site's admin imports this module at its start.
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        # As the AWS CLI has it; boto3 reads only AWS_DEFAULT_REGION.
        region = self._region or os.environ.get("AWS_REGION")
        config = Config(connect_timeout=5, read_timeout=20, max_pool_connections=16)
        with explained(service):
            try:
                session: Any = boto3.Session(profile_name=self._profile, region_name=region)
                return session.client(service, endpoint_url=self._endpoint_url, config=config)
            except ValueError as error:
                raise SetupFault(f"--endpoint-url or --region is not valid: {error}") from error


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn AWS's errors into a SetupFault that names `what` failed and what to do."""
    try:
        yield
    except ClientError as error:
        raise SetupFault(_sentence(error, what)) from error
    except BotoCoreError as error:
        raise SetupFault(_advice(error, what)) from error


def clock_ms(answer: Mapping[str, Any]) -> int | None:
    """Return AWS's own time of an answer, in epoch milliseconds to the second; None if it does not say."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return int(parsedate_to_datetime(headers.get("date", "")).timestamp()) * 1000
    except (TypeError, ValueError, OverflowError):
        return None


def error_code(error: ClientError) -> str:
    """Return the code of an error answer."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.removeprefix("AWS.SimpleQueueService.")


def _sentence(error: ClientError, what: str) -> str:
    code = error_code(error)
    if code in _MISSING:
        return f"AWS cannot find {what}. Check its name, the region and the account."
    if code in _DENIED:
        return (
            f"AWS denied {error.operation_name} on {what}. Ask for this permission, or use another --profile."
        )
    if code in _WRONG_CREDENTIALS:
        return f"AWS rejected the credentials ({code}). Log in again, or use another --profile."
    message = error.response.get("Error", {}).get("Message", "")
    return f"{error.operation_name} failed on {what}: {code}: {message}"


def _advice(error: BotoCoreError, what: str) -> str:
    if isinstance(error, NoRegionError):
        return "No AWS region is set. Give --region, set AWS_REGION, or name a region in the profile."
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return (
            "AWS credentials are missing or incomplete. "
            "Log in, give --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if isinstance(error, ProfileNotFound):
        return f"{error}. Run `aws configure list-profiles` to list the profiles."
    if isinstance(error, EndpointConnectionError):
        return f"Cannot reach {what}: {error}. Check the network, --region and --endpoint-url."
    return f"Cannot ask {what}: {error}. Check the network and the AWS settings, then try again."
