import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.test import override_settings
from django.utils.text import format_lazy as lazystr

from tests.django_support import override
from whyness_mixpanel import conf, setting_parsers

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


# Each way gives the variable PROJECT_ID, which nothing announces.
WAYS_TO_SET: dict[str, Callable[[pytest.MonkeyPatch, str], object]] = {
    "assigned": lambda _, name: os.environ.__setitem__(name, "11"),
    "as bytes": lambda _, name: os.environb.__setitem__(os.fsencode(name), b"11"),
    "updated": lambda _, name: os.environ.update({name: "11"}),
    "by default": lambda _, name: os.environ.setdefault(name, "11"),
    "patched": lambda patch, name: patch.setenv(name, "11"),
    "another environment": lambda patch, name: patch.setattr(os, "environ", {name: "11"}),
    "bytes that are no text": lambda _, name: os.environb.__setitem__(os.fsencode(name), b"\xff"),
}


@pytest.mark.parametrize("way", WAYS_TO_SET)
def test_a_variable_is_seen_as_soon_as_it_is_set_and_until_it_is_removed(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the environment changes; a wrong value raises at each use, and in another thread."""
    name = conf.PROJECT_ID.environment
    monkeypatch.setenv(name, "22")  # so that it is as before, afterwards
    monkeypatch.delenv(name)
    before = conf.PROJECT_ID.get(), conf.PROJECT_ID.is_set()
    with monkeypatch.context() as patch:
        WAYS_TO_SET[way](patch, name)
        if "no text" in way:
            for _ in range(2):
                with pytest.raises(conf.SettingError), ThreadPoolExecutor() as threads:
                    threads.submit(conf.PROJECT_ID.get).result()
        else:
            assert (conf.PROJECT_ID.get(), conf.PROJECT_ID.is_set()) == (11, True)
    os.environ.pop(name, None)

    assert (conf.PROJECT_ID.get(), conf.PROJECT_ID.is_set()) == before == (2780485, False)


def test_what_is_changed_without_a_signal_counts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dictionary itself, an attribute of the settings, and its removal."""
    with override(PROJECT_ID=1):
        seen = [conf.PROJECT_ID.get()]
        django_settings.WHYNESS_MIXPANEL["PROJECT_ID"] = "2"
        seen.append(conf.PROJECT_ID.get())
        monkeypatch.setattr(django_settings, "WHYNESS_MIXPANEL", MappingProxyType({"PROJECT_ID": 3}))
        seen.append(conf.PROJECT_ID.get())
        monkeypatch.setattr(django_settings, "WHYNESS_MIXPANEL", {})
        monkeypatch.setattr(django_settings, "MIXPANEL_PROJECT_ID", 4, raising=False)
        seen.append(conf.PROJECT_ID.get())
        monkeypatch.undo()
        seen.append(conf.PROJECT_ID.get())

    assert seen == [1, 2, 3, 4, 2]


@pytest.mark.parametrize("unset", [None, ""])
def test_none_and_empty_text_mean_not_set(unset: str | None) -> None:
    """`os.environ.get(…)` in a settings module may return nothing: the next place counts."""
    with override_settings(MIXPANEL_PROJECT_ID=22), override(PROJECT_ID=unset):
        assert conf.PROJECT_ID.get() == 22


@pytest.mark.parametrize(
    ("setting", "text", "expected"),
    [
        (conf.ENABLED, "off", False),
        (conf.BACKEND, "dummy", "dummy"),
        (conf.BACKEND, "shop.events.Kafka", "shop.events.Kafka"),
        (conf.BACKEND, "whyness_mixpanel.backends.locmem", "locmem"),
        (conf.QUEUE_URL, "http://127.0.0.1:1/1/q", "http://127.0.0.1:1/1/q"),
        (conf.REGION, "eu-west-1", "eu-west-1"),
        (conf.IDENTITY, "simplified", "simplified"),
        (conf.NAMES, "browser", "browser"),
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
    """An environment variable is text, and is converted to the setting's type."""
    monkeypatch.setenv(setting.environment, text)

    with override_settings(WHYNESS_MIXPANEL={}):
        assert setting.get() == expected


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("ENABLED", "perhaps"),
        ("ENABLED", 2),
        ("BACKEND", "sqqs"),
        ("BACKEND", "shop..events"),
        ("BACKEND", "shop/events.py"),
        ("BACKEND", 1.5),
        ("GDPR_TOKEN", "two\nlines"),
        ("GDPR_TOKEN", "two words"),
        ("GDPR_TOKEN", b"bytes"),
        ("PROJECT_TOKEN", ["abc"]),
        ("SERVICE_PASSWORD", "two\nlines"),
        ("SERVICE_PASSWORD", True),
        ("LOG_TABLE_NAME", "t\u00e4ble"),
        ("QUEUE_URL", "my-queue"),
        ("QUEUE_URL", "ftp://host/queue"),
        ("QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/"),
        ("QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/1/events.fifo"),
        ("QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com:port/1/events"),
        ("QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/1/\nevents"),
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
    """The error names the place and what is allowed."""
    setting = next(setting for setting in conf.SETTINGS if setting.key == key)

    with override(**{key: wrong}), pytest.raises(conf.SettingError) as caught:
        setting.get()

    assert str(caught.value) == f'WHYNESS_MIXPANEL["{key}"] must be {setting.allowed}'


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
        ({"QUEUE_URL": "https://vpce-1.sqs.cn-north-1.vpce.amazonaws.com.cn/123/events"}, "cn-north-1"),
        ({"QUEUE_URL": "http://127.0.0.1:4566/123/events"}, None),
        ({"QUEUE_URL": "http://127.0.0.1:4566/123/events", "REGION": "eu-west-1"}, "eu-west-1"),
    ],
)
def test_the_region_is_the_queues(chosen: dict[str, object], expected: str | None) -> None:
    """A queue's URL names its region, so REGION can be left out."""
    with override(**chosen):
        assert conf.region() == expected


WITH_BLANKS = {
    "ENABLED": ("off", False),
    "BACKEND": ("dummy", "dummy"),
    "QUEUE_URL": ("https://sqs.eu-west-1.amazonaws.com/1/q", "https://sqs.eu-west-1.amazonaws.com/1/q"),
    "REGION": ("eu-west-1", "eu-west-1"),
    "IDENTITY": ("simplified", "simplified"),
    "NAMES": ("browser", "browser"),
    "URL_PARAMETERS": ("utm_id, ref", ("utm_id", "ref")),
    "PROJECT_ID": ("5", 5),
    "ANONYMOUS_USERS": ("1, 7", frozenset({"1", "7"})),
    "RAISE_INVALID": ("yes", True),
    "RELAY": ("command", "command"),
    "CONNECT_TIMEOUT_S": ("0.5", 0.5),
    "READ_TIMEOUT_S": ("2", 2.0),
    "SCRUB_NAMES": ("a, b", ("a", "b")),
    "TRUSTED_PROXIES": ("unix", ("unix",)),
    "BOT_USERAGENTS": ("A/", ("a/",)),
    "DEAD_LETTER_QUEUE_URL": (
        "https://sqs.eu-west-1.amazonaws.com/1/d",
        "https://sqs.eu-west-1.amazonaws.com/1/d",
    ),
    "PROJECT_TOKEN": ("abc", "abc"),
    "GDPR_TOKEN": ("abc", "abc"),
    "MIXPANEL_URL": ("https://eu.mixpanel.com", "https://eu.mixpanel.com"),
    "SERVICE_ACCOUNT": ("an account", "an account"),
    "SERVICE_PASSWORD": ("p w", "p w"),
    "LOG_TABLE_NAME": ("log", "log"),
    "PROJECT_TIME_ZONE": ("Europe/Berlin", ZoneInfo("Europe/Berlin")),
    "HISTORY_BEFORE": ("2026-12-01T09:00Z", datetime(2026, 12, 1, 9, tzinfo=UTC)),
}


@pytest.mark.parametrize("key", WITH_BLANKS)
def test_blanks_that_a_file_or_a_console_adds_are_ignored(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the settings and in the environment; blanks alone mean that it is not set."""
    text, expected = WITH_BLANKS[key]
    setting = next(setting for setting in conf.SETTINGS if setting.key == key)

    with override(**{key: f" {text}\r\n"}):
        assert setting.get() == expected
    monkeypatch.setenv(setting.environment, f"\t{text}\n")
    with override_settings(WHYNESS_MIXPANEL={key: " \n"}):
        assert setting.get() == expected
        monkeypatch.setenv(setting.environment, "\n")
        with_whyness = setting.default if setting.of_whyness is None else setting.of_whyness
        assert setting.get() == with_whyness


def test_members_of_a_list_lose_their_blanks_too() -> None:
    """The lines of a file are such a list."""
    with override(ANONYMOUS_USERS=["1\n", 7], TRUSTED_PROXIES=[" 10.0.0.1\n"]):
        assert conf.ANONYMOUS_USERS.get() == {"1", "7"}
        assert [str(network) for network in conf.TRUSTED_PROXIES.get()] == ["10.0.0.1/32"]


def test_a_pattern_keeps_its_blanks_and_a_lazy_secret_is_read() -> None:
    """A blank is part of a regular expression, and a vault may return its secrets lazily."""
    with override(SCRUB_PATTERNS="card: ", SERVICE_PASSWORD=lazystr("secret\n")):
        assert conf.SCRUB_PATTERNS.get() == ("card: ",)
        assert conf.SERVICE_PASSWORD.get() == "secret"


def test_every_setting_of_text_is_among_those() -> None:
    """A new setting needs a line above."""
    assert {setting.key for setting in conf.SETTINGS} - WITH_BLANKS.keys() == {
        "SCRUB_PATTERNS",
        "OPT_OUT",
        "SUPER_PROPERTIES",
    }


def test_a_required_setting_that_is_missing_is_an_error() -> None:
    """The error says where to set it, and to what."""
    with override(), pytest.raises(conf.NotSet) as caught:
        conf.GDPR_TOKEN.require()

    assert str(caught.value) == (
        "GDPR_TOKEN is not set. Set it in WHYNESS_MIXPANEL, or MIXPANEL_GDPR_TOKEN in the environment, "
        "to a GDPR OAuth token of Mixpanel"
    )


@pytest.mark.parametrize("installed", ["whyness_django", "whyness_crm", None])
def test_whynesss_own_values_hold_where_its_tables_are(
    installed: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another site, user 1 is a person, and events belong to another project."""
    monkeypatch.setattr(apps, "app_configs", {"whyness_mixpanel": None, installed or "shop": None})

    with override_settings(WHYNESS_MIXPANEL={}):
        values = conf.ANONYMOUS_USERS.get(), conf.PROJECT_ID.get()
        filtered = conf.BOT_USERAGENTS.get()

    assert values == ((frozenset({"1"}), 2780485) if installed else (frozenset(), None))
    assert filtered == ()


# Environment variables that are not WHYNESS_MIXPANEL_ and the key.
OTHER_VARIABLES = {
    "PROJECT_ID": "MIXPANEL_PROJECT_ID",
    "PROJECT_TOKEN": "MIXPANEL_PROJECT_TOKEN",
    "GDPR_TOKEN": "MIXPANEL_GDPR_TOKEN",
    "MIXPANEL_URL": "MIXPANEL_URL",
    "SERVICE_ACCOUNT": "MIXPANEL_SERVICE_ACCOUNT",
    "SERVICE_PASSWORD": "MIXPANEL_SERVICE_PASSWORD",
}


def test_a_declaration_gives_key_environment_and_meaning() -> None:
    """The variable's name is the key, and gives the environment variable's name, except those above."""
    declared = {name: value for name, value in vars(conf).items() if isinstance(value, conf.Setting)}
    environment = {name: f"WHYNESS_MIXPANEL_{name}" for name in declared} | OTHER_VARIABLES

    assert {setting.key: setting for setting in conf.SETTINGS} == declared
    assert {setting.key: setting.environment for setting in conf.SETTINGS} == environment
    assert [setting.key for setting in conf.SETTINGS if not setting.meaning.endswith(".")] == []


def test_nothing_is_read_at_import() -> None:
    """The declarations can be imported before Django has settings, as the tables in the docs need it."""
    command = [sys.executable, "-c", "import whyness_mixpanel.conf"]

    done = subprocess.run(command, env={"PYTHONPATH": os.pathsep.join(sys.path)}, check=False)  # noqa: S603  (our own)

    assert done.returncode == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a, b ,\tc\n", ["a", "b", "c"]),
        ("a", ["a"]),
        ("a,,b", ["a", "", "b"]),
        (["a ", 1], ["a ", 1]),
        (("a", "b,c"), ["a", "b,c"]),
        ({"a"}, ["a"]),
        (frozenset(), []),
    ],
)
def test_a_text_is_split_at_its_commas_and_a_collection_stays(value: object, expected: list[object]) -> None:
    """Every setting with several values is parsed like this."""
    assert setting_parsers.members(value) == expected


@pytest.mark.parametrize("wrong", [7, None, b"a,b", {"a": 1}, object()])
def test_what_is_neither_a_collection_nor_text_is_refused(wrong: object) -> None:
    """A dictionary and bytes, too, would have members."""
    with pytest.raises(TypeError):
        setting_parsers.members(wrong)
