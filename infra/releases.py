"""Edge: the packaged template of each deployed revision, beside the artefacts that `sam deploy` uploaded.

`sam deploy` names an artefact by the hash of its content and never deletes one: a stored template leads to
the very code that was deployed with it.
"""

import re
from dataclasses import dataclass
from typing import Any

import yaml
from botocore.exceptions import ClientError

_CODE_URI = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<prefix>.+)/[^/]+")
_FUNCTION = "SendEventsFunction"


class ReleaseError(Exception):
    """A release cannot be stored or found; the text says why and what to do."""


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (`!Ref`), of which nothing is needed here."""


_Loader.add_multi_constructor("!", lambda _, suffix, __: f"!{suffix}")


@dataclass(frozen=True, slots=True)
class Releases:
    """The releases of a stack.

    Args:
        s3, cloudformation: boto3 clients.
        stack: its name.
    """

    s3: Any
    cloudformation: Any
    stack: str

    def store(self, revision: str) -> str:
        """Keep the template of what is deployed now, under `revision`; return its place."""
        template = self._deployed_template()
        bucket, prefix = _place(template, self.stack)
        key = _key(prefix, revision)
        self.s3.put_object(Bucket=bucket, Key=key, Body=template.encode())
        return f"s3://{bucket}/{key}"

    def find(self, revision: str) -> str:
        """Return the URL of a stored template.

        Raises:
            ReleaseError: that revision was not deployed to this stack; the text names those that were.
        """
        bucket, prefix = _place(self._deployed_template(), self.stack)
        key = _key(prefix, revision)
        try:
            self.s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in ("404", "NoSuchKey", "NotFound"):
                raise
            names = ", ".join(self._stored(bucket, prefix)) or "none"
            raise ReleaseError(
                f"Revision {revision} was not deployed to {self.stack}. Stored revisions: {names}."
            ) from error
        return f"https://{bucket}.s3.{self.s3.meta.region_name}.amazonaws.com/{key}"

    def _stored(self, bucket: str, prefix: str) -> list[str]:
        folder = _key(prefix, "").removesuffix(".yaml")
        answer = self.s3.list_objects_v2(Bucket=bucket, Prefix=folder)
        newest_first = sorted(
            answer.get("Contents", ()), key=lambda entry: entry["LastModified"], reverse=True
        )
        return [entry["Key"].removeprefix(folder).removesuffix(".yaml") for entry in newest_first]

    def _deployed_template(self) -> str:
        answer = self.cloudformation.get_template(StackName=self.stack, TemplateStage="Original")
        return str(answer["TemplateBody"])


def _place(template: str, stack: str) -> tuple[str, str]:
    properties = yaml.load(template, _Loader)["Resources"][_FUNCTION]["Properties"]  # noqa: S506  (a SafeLoader)
    found = _CODE_URI.fullmatch(str(properties["CodeUri"]))
    if not found:
        raise ReleaseError(f"The code of {stack} is not in S3. Deploy it with make deploy.")
    return found["bucket"], found["prefix"]


def _key(prefix: str, revision: str) -> str:
    return f"{prefix}/releases/{revision}.yaml"
