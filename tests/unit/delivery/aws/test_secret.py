"""The secret's pair serves until Mixpanel refuses it, whatever Secrets Manager says meanwhile."""

import json
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from tests.fakes import FakeClock
from whyness_events.delivery.aws.clients import CallFailed, LazyClient
from whyness_events.delivery.aws.secret import RENEW_AFTER_S, SecretCredentials
from whyness_events.delivery.ports import SetupFault

OLD, NEW = ("account", "old"), ("account", "new")


def secret(account: str, password: str) -> str:
    """Return the secret's text."""
    return json.dumps({"account": account, "password": password})


@dataclass
class FakeSecretsManager:
    """Secrets Manager with one secret; `fault` is why it does not give it.

    Args:
        waits_s: how long each call was waited for at most.
    """

    text: str | None = field(default_factory=lambda: secret(*OLD))
    fault: str = ""
    waits_s: list[float] = field(default_factory=list)

    def call(self, operation: str, seconds: float, **arguments: Any) -> dict[str, Any]:
        """Give it, or fail."""
        assert (operation, arguments) == ("get_secret_value", {"SecretId": "arn"})
        self.waits_s.append(seconds)
        if self.fault:
            raise CallFailed(self.fault)
        return {} if self.text is None else {"SecretString": self.text}


@dataclass
class Given:
    """Credentials, with the clock and the secret behind them."""

    clock: FakeClock = field(default_factory=FakeClock)
    secrets: FakeSecretsManager = field(default_factory=FakeSecretsManager)
    left_s: float = 120.0

    def __post_init__(self) -> None:
        self.credentials = SecretCredentials(
            "arn", cast("LazyClient", self.secrets), self.clock, lambda: self.left_s
        )


WORSE: dict[str, dict[str, Any]] = {
    "throttled": {"fault": "ThrottlingException"},
    "denied": {"fault": "AccessDeniedException"},
    "no answer": {"fault": "TimeoutError"},
    "unfit": {"text": '{"account": "", "password": ""}'},
    "no JSON": {"text": "account:password"},
    "binary": {"text": None},
}


def worsen(secrets: FakeSecretsManager, name: str) -> None:
    """Let the secret be out of reach, or unfit."""
    for key, value in WORSE[name].items():
        setattr(secrets, key, value)


@pytest.mark.parametrize("name", WORSE)
def test_a_pair_that_works_goes_on_whatever_becomes_of_the_secret(name: str) -> None:
    """A renewal that fails is tried every five minutes, for a second, and the known pair stays in use."""
    given = Given()
    given.credentials.get()
    worsen(given.secrets, name)

    pairs = set()
    for _ in range(600):
        given.clock.sleep(10.0)
        pairs.add(given.credentials.get())

    assert pairs == {OLD}
    assert given.secrets.waits_s[1:] == [1.0] * int(6_000 / RENEW_AFTER_S)


def test_a_new_pair_is_known_before_the_old_one_is_refused() -> None:
    """A rotation is noticed without an operator."""
    given = Given()
    before = given.credentials.get()
    given.secrets.text = secret(*NEW)
    given.clock.sleep(RENEW_AFTER_S - 1)
    still = given.credentials.get()
    given.clock.sleep(1.0)

    assert (before, still, given.credentials.get()) == (OLD, OLD, NEW)


def test_what_mixpanel_refuses_is_fetched_at_once() -> None:
    """A 401 proves the pair wrong."""
    given = Given()
    given.credentials.get()
    given.secrets.text = secret(*NEW)

    assert given.credentials.refresh() is True
    assert given.credentials.get() == NEW
    assert len(given.secrets.waits_s) == 2


@pytest.mark.parametrize("name", WORSE)
def test_a_refresh_that_fails_says_so_and_costs_the_pair_at_hand_nothing(name: str) -> None:
    """The 401 may have been a proxy's: the next invocation tries the pair once more."""
    given = Given()
    given.credentials.get()
    worsen(given.secrets, name)

    with pytest.raises(SetupFault, match="MIXPANEL_SECRET_ARN"):
        given.credentials.refresh()

    assert given.credentials.get() == OLD


@pytest.mark.parametrize("name", WORSE)
def test_without_a_pair_each_invocation_asks_until_there_is_one(name: str) -> None:
    """An invalid secret is not kept, so each invocation asks again."""
    given = Given()
    worsen(given.secrets, name)
    for _ in range(2):
        with pytest.raises(SetupFault, match=given.secrets.fault or "the secret must be"):
            given.credentials.get()
    given.secrets.text, given.secrets.fault = secret(*NEW), ""

    assert given.credentials.get() == NEW


@pytest.mark.parametrize(("left_s", "waits_s"), [(120.0, 10.0), (9.8, 4.9), (1.0, 0.5)])
def test_half_of_the_invocation_is_left_to_settle(left_s: float, waits_s: float) -> None:
    """A fetch takes at most half of the time left, because dead events need no credentials to settle."""
    given = Given(left_s=left_s)

    given.credentials.get()
    given.credentials.refresh()

    assert given.secrets.waits_s == [waits_s, waits_s]
