import re
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from tests.django_support import override
from whyness_mixpanel import conf

DOCS = Path(__file__).parents[3] / "docs" / "django.md"
MARKER = "MARKER-4711"


def test_a_setting_is_looked_up_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app's dictionary, then the old Django setting, then the environment, then the default."""
    seen = [conf.PROJECT_ID.get()]
    monkeypatch.setenv("MIXPANEL_PROJECT_ID", "11")
    seen.append(conf.PROJECT_ID.get())
    with override_settings(MIXPANEL_PROJECT_ID=22):
        seen.append(conf.PROJECT_ID.get())
        with override(PROJECT_ID=33):
            seen.append(conf.PROJECT_ID.get())

    assert seen == [2780485, 11, 22, 33]


@pytest.mark.parametrize("unset", [None, ""])
def test_none_and_empty_text_mean_not_set(unset: str | None) -> None:
    """`os.environ.get(…)` in a settings module may find nothing: the next place counts."""
    with override_settings(MIXPANEL_PROJECT_ID=22), override(PROJECT_ID=unset):
        assert conf.PROJECT_ID.get() == 22


@pytest.mark.parametrize(
    ("setting", "text", "expected"),
    [
        (conf.ENABLED, "off", False),
        (conf.BACKEND, "dummy", "dummy"),
        (conf.QUEUE_URL, "http://127.0.0.1:1/1/q", "http://127.0.0.1:1/1/q"),
        (conf.REGION, "eu-west-1", "eu-west-1"),
        (conf.IDENTITY, "simplified", "simplified"),
        (conf.PROJECT_ID, "5", 5),
        (conf.ANONYMOUS_USERS, "1, 7", frozenset({"1", "7"})),
        (conf.RAISE_INVALID, "1", True),
        (conf.CONNECT_TIMEOUT_S, "0.5", 0.5),
        (conf.READ_TIMEOUT_S, "60", 60.0),
    ],
)
def test_each_setting_can_come_from_the_environment(
    setting: conf.Setting[Any], text: str, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment variable is text, and becomes what the setting is."""
    monkeypatch.setenv(setting.environment, text)

    with override_settings(WHYNESS_MIXPANEL={}):
        assert setting.get() == expected


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("ENABLED", "perhaps"),
        ("ENABLED", 2),
        ("BACKEND", "sqqs"),
        ("QUEUE_URL", "my-queue"),
        ("QUEUE_URL", "ftp://host/queue"),
        ("QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/"),
        ("QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/1/events.fifo"),
        ("REGION", "Ireland!"),
        ("IDENTITY", "simplifed"),
        ("PROJECT_ID", "abc"),
        ("PROJECT_ID", 0),
        ("PROJECT_ID", True),
        ("PROJECT_ID", 1.5),
        ("PROJECT_ID", float("inf")),
        ("ANONYMOUS_USERS", 1),
        ("RAISE_INVALID", "perhaps"),
        ("CONNECT_TIMEOUT_S", 0),
        ("CONNECT_TIMEOUT_S", True),
        ("READ_TIMEOUT_S", "nan"),
        ("READ_TIMEOUT_S", 61),
        ("READ_TIMEOUT_S", 10**400),
        ("READ_TIMEOUT_S", [1]),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(key: str, wrong: object) -> None:
    """Nothing is guessed: the fault names the place and what is allowed."""
    setting = next(setting for setting in conf.SETTINGS if setting.key == key)

    with override(**{key: wrong}), pytest.raises(conf.SettingError) as caught:
        setting.get()

    assert str(caught.value) == f'WHYNESS_MIXPANEL["{key}"]: allowed is {setting.allowed}'


def test_a_fault_never_shows_the_value() -> None:
    """A secret may have been pasted into the wrong line."""
    with override(PROJECT_ID=MARKER), pytest.raises(conf.SettingError) as caught:
        conf.PROJECT_ID.get()

    assert MARKER not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, None),
        ({"QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123/events"}, "eu-west-1"),
        ({"QUEUE_URL": "https://sqs.cn-north-1.amazonaws.com.cn/123/events"}, "cn-north-1"),
        ({"QUEUE_URL": "http://127.0.0.1:4566/123/events"}, None),
        ({"QUEUE_URL": "http://127.0.0.1:4566/123/events", "REGION": "eu-west-1"}, "eu-west-1"),
    ],
)
def test_the_region_is_the_queues(chosen: dict[str, object], expected: str | None) -> None:
    """A queue's URL names its region, so that it need not be said twice."""
    with override(**chosen):
        assert conf.region() == expected


def test_the_docs_list_every_setting_with_its_default() -> None:
    """The table in docs/django.md is complete and true."""
    rows = re.findall(r"^\| `(\w+)` \| `([^`]*)` \| `(\w+)` \|", DOCS.read_text(), re.MULTILINE)

    expected = [(s.key, _in_docs(s), s.environment) for s in conf.SETTINGS]

    assert rows == expected


def _in_docs(setting: conf.Setting[Any]) -> str:
    if setting is conf.RAISE_INVALID:
        return "DEBUG"
    if isinstance(setting.default, frozenset):
        return str(set(setting.default)).replace("'", '"')
    return str(setting.default) if not isinstance(setting.default, str) else f'"{setting.default}"'
