"""A change set of CloudFormation: create it, show each property before and after, ask, execute."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

_POLL_S = 5.0
_SECRET = "AWS::SecretsManager::Secret"  # noqa: S105  (a resource type)
_NOTHING = ("didn't contain changes", "No updates")


class ChangeError(Exception):
    """The stack was not changed, or was rolled back; the text says why and what to do."""


class Change(NamedTuple):
    """One property that would change."""

    resource: str
    type: str
    property: str
    before: str
    after: str


def changes(answer: Mapping[str, Any]) -> Iterator[Change]:
    """Yield each property of one page of DescribeChangeSet that executing it would change."""
    for entry in answer.get("Changes", []):
        resource = entry.get("ResourceChange", {})
        who = resource.get("LogicalResourceId", "?"), resource.get("ResourceType", "?")
        details = resource.get("Details") or [{}]
        for target in (detail.get("Target", {}) for detail in details):
            name = target.get("Path") or target.get("Name") or f"({resource.get('Action', 'changed')})"
            yield Change(*who, name, _shown(target, "BeforeValue"), _shown(target, "AfterValue"))


def _shown(target: Mapping[str, Any], name: str) -> str:
    drift = target.get("Drift", {}).get("ActualValue") if name == "BeforeValue" else None
    return str(drift or target.get(name) or "-")


class ChangeSet:
    """One change of a stack.

    Args:
        cloudformation: a boto3 client.
        stack: the stack's name.
        confirm: asks a person; False leaves everything as it is.
        say: prints a line.
        sleep: waits between two looks, seconds.
    """

    def __init__(
        self,
        cloudformation: Any,
        stack: str,
        *,
        confirm: Callable[[], bool],
        say: Callable[[str], None] = print,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._cloudformation = cloudformation
        self._stack = stack
        self._confirm, self._say, self._sleep = confirm, say, sleep
        self._names = {"StackName": stack, "ChangeSetName": f"whyness-{time.time_ns()}"}
        self._is_begun = False

    def run(self, **template: Any) -> bool:
        """Return whether the stack is now as the template says; False where a person said no.

        Args:
            template: further arguments of CreateChangeSet: which template, with which parameters.

        Raises:
            ChangeError: it cannot be done, or must not.
        """
        self._cloudformation.create_change_set(
            **self._names,
            ChangeSetType="UPDATE",
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            **template,
        )
        try:
            return self._go_on(self._wait_for_changes())
        finally:
            if not self._is_begun:
                self._cloudformation.delete_change_set(**self._names)

    def _go_on(self, found: list[Change]) -> bool:
        if not found:
            self._say(f"{self._stack} is as its template says: nothing to change.")
            return True
        self._show(found)
        if not self._confirm():
            self._say("Nothing was changed.")
            return False
        self._execute()
        return True

    def _wait_for_changes(self) -> list[Change]:
        while (answer := self._describe())["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            self._sleep(_POLL_S)
        if answer["Status"] == "FAILED":
            reason = answer.get("StatusReason", "no reason given")
            if any(words in reason for words in _NOTHING):
                return []
            raise ChangeError(f"CloudFormation could not compare {self._stack} with its template: {reason}")
        found = list(changes(answer))
        while token := answer.get("NextToken"):
            answer = self._describe(NextToken=token)
            found += changes(answer)
        return found

    def _describe(self, **arguments: str) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self._cloudformation.describe_change_set(
            **self._names, IncludePropertyValues=True, **arguments
        )
        return answer

    def _show(self, found: list[Change]) -> None:
        for change in found:
            is_secret = change.type == _SECRET
            self._say(f"{change.resource} ({change.type}) {change.property}")
            self._say(f"  now     {'(not shown)' if is_secret else change.before}")
            self._say(f"  becomes {'(not shown)' if is_secret else change.after}")
        if any(change.type == _SECRET for change in found):
            raise ChangeError(
                "The secret is among these changes, and changing it could overwrite the credentials in use. "
                "Nothing was changed. Change the secret's own settings by hand, then run this again."
            )

    def _execute(self) -> None:
        self._is_begun = True
        self._cloudformation.execute_change_set(**self._names)
        self._say("CloudFormation makes the changes. Ctrl-C ends this command, not the change.")
        while (answer := self._describe())["ExecutionStatus"] not in ("EXECUTE_COMPLETE", "EXECUTE_FAILED"):
            self._sleep(_POLL_S)
        if answer["ExecutionStatus"] == "EXECUTE_FAILED":
            raise ChangeError(
                f"CloudFormation could not make all changes, and has rolled {self._stack} back: "
                f"`aws --region {self._cloudformation.meta.region_name} cloudformation describe-stack-events "
                f"--stack-name {self._stack}` says why."
            )
        self._say(f"{self._stack} is as its template says.")
