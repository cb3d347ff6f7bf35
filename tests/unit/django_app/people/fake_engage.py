"""Mixpanel's `/engage`, as the fact sheet has it, in memory; and a pass against it."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from whyness_mixpanel.people.delivery import Delivery
from whyness_mixpanel.people.engage import Reply
from whyness_mixpanel.people.profile import Profile
from whyness_mixpanel.people.state import Sender
from whyness_mixpanel.people.sync import Result, sync
from whyness_mixpanel.people.update import CANARY, Project
from whyness_mixpanel.privacy import filters

TOKEN = "project-token"
YES, NO = (
    Reply(200, b'{"status":1,"error":null}'),
    Reply(200, b'{"status":0,"error":"data, missing or empty"}'),
)
PROJECT = Project("http://127.0.0.1:1", TOKEN, "distinct_id")


class FakeMixpanel:
    """Profiles by distinct id. Call it with a body; it answers as Mixpanel does.

    Attributes:
        profiles: properties by distinct id.
        requests: the updates of each request.
        refuses: which updates Mixpanel does not accept.
        before: called with the updates before a request acts; an answer that it returns replaces Mixpanel's.
    """

    def __init__(self) -> None:
        self.profiles: dict[str, dict[str, Any]] = {}
        self.requests: list[list[dict[str, Any]]] = []
        self.refuses: Callable[[dict[str, Any]], bool] = lambda _: False
        self.before: Callable[[list[dict[str, Any]]], Reply | None] = lambda _: None

    def __call__(self, body: bytes) -> Reply:
        """Answer a request."""
        updates: list[dict[str, Any]] = json.loads(body)
        self.requests.append(updates)
        assert len(body) <= 1_000_000
        assert len(updates) <= 1_000
        if (reply := self.before(updates)) is not None:
            return reply
        valid = [update for update in updates if not self.refuses(update)]
        for update in valid:
            self._apply(update)
        if len(valid) == len(updates):
            return YES
        return Reply(200, b'{"status":1,"error":"some are invalid"}') if valid else NO

    def people(self) -> set[str]:
        """Return the distinct ids that have a profile."""
        return set(self.profiles)

    def _apply(self, update: dict[str, Any]) -> None:
        if update["$token"] != TOKEN:
            return
        id_ = update["$distinct_id"]
        if "$delete" in update:
            self.profiles.pop(id_, None)
        elif "$unset" in update:
            for name in update["$unset"]:
                self.profiles.setdefault(id_, {}).pop(name, None)
        else:
            self.profiles.setdefault(id_, {}).update(update["$set"])


def run(  # noqa: PLR0913  (as `sync`, each by name)
    mixpanel: Callable[[bytes], Reply],
    profiles: Sequence[Profile],
    *,
    project: Project = PROJECT,
    owner: str = "one",
    is_dry: bool = False,
    is_wanted: Callable[[], bool] = lambda: True,
    wait: Callable[[float], object] = lambda _: None,
    **options: Any,
) -> Result:
    """Make a pass; nothing is waited for."""
    sender = Sender(owner)
    delivery = Delivery(project=project, sender=sender, post=mixpanel, wait=wait, is_wanted=is_wanted)
    return sync(
        profiles,
        project=project,
        sender=sender,
        delivery=None if is_dry else delivery,
        scrub=filters.scrubber().scrub,
        **options,
    )


def is_canary(update: dict[str, Any]) -> bool:
    """Whether the update is about the canary."""
    return bool(update["$distinct_id"] == CANARY)
