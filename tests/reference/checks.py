"""docs/reference/checks.md: what each system check says, on a site that has its fault."""

from collections.abc import Iterator

import pytest
from django.core.checks import CheckMessage
from django.test import override_settings

from tests.django_support import override
from tests.reference.markdown import plain
from tests.unit.django_app.test_checks import SITES, be, run_checks
from whyness_mixpanel.checks import CHECKS, Check

_APP = "whyness_mixpanel."


def system_checks() -> str:
    """Return a section for each id, with an example of its message and its hint."""
    messages = {message.id: message for message in _examples()}
    return "\n\n".join(part for check in _in_order() for part in _section(check, messages[check.id]))


def _in_order() -> list[Check]:
    return sorted(CHECKS, key=lambda check: check.name)


def _section(check: Check, message: CheckMessage) -> Iterator[str]:
    yield f"## {check.id}"
    yield str(check.find.__doc__)
    yield f"> {plain(message.msg)}\n>\n> {plain(str(message.hint))}"


def _examples() -> list[CheckMessage]:
    """Return the message of the first site that has each fault."""
    first = {site.says[0]: site for site in reversed(SITES) if site.says[0]}
    with override_settings(WHYNESS_MIXPANEL=["QUEUE_URL"]):
        found = [run_checks()[f"{_APP}E001"]]
    for name, site in first.items():
        with pytest.MonkeyPatch.context() as patch, override_settings(**site.django):
            be(site, patch)
            with override(**site.chosen):
                found.append(run_checks(deploy=site.deploy)[_APP + name])
    for message in found:
        message.msg = message.msg.replace("_that_nobody_has", "")  # how the test takes a module away
    return found
