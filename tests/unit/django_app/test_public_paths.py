"""What a site imports: these paths stay, wherever the code behind them moves."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

import whyness_mixpanel

PUBLIC = {
    "whyness_mixpanel": ["send_many"],
    "whyness_mixpanel.backends": ["Answer", "Backend", "CannotSend"],
    "whyness_mixpanel.bots": ["DEFAULT", "from_bot"],
    "whyness_mixpanel.context": ["context"],
    "whyness_mixpanel.counters": ["snapshot"],
    "whyness_mixpanel.middleware": ["ContextMiddleware"],
    "whyness_mixpanel.models": ["DeliveryFailure", "Event", "Log", "Outbox", "Suppression", "send_many"],
    "whyness_mixpanel.people": ["Profile", "register"],
    "whyness_mixpanel.privacy": ["refuse_suppressed"],
    "whyness_mixpanel.pytest_plugin": ["mixpanel"],
    "whyness_mixpanel.scrub": ["NAMES", "PATTERNS"],
    "whyness_mixpanel.signals": ["event_parked", "event_published", "publish_failed"],
    "whyness_mixpanel.sources": ["NoEvent", "Source", "event_for", "history_before", "register"],
    "whyness_mixpanel.testing": ["clear", "published_events", "sent_events"],
    "whyness_mixpanel.track": ["atrack", "event_of", "track"],
    "whyness_mixpanel.url_parameters": ["UTM"],
    "whyness_mixpanel.urls": ["urlpatterns"],
}


@pytest.mark.parametrize("path", PUBLIC)
def test_what_sites_import_is_there(path: str) -> None:
    """A module that moves leaves its documented name behind."""
    module = import_module(path)

    assert [name for name in PUBLIC[path] if not hasattr(module, name)] == []


@pytest.mark.parametrize(
    "path",
    [
        "whyness_mixpanel.scrub",
        "whyness_mixpanel.bots",
        "whyness_mixpanel.privacy",
        "whyness_mixpanel.url_parameters",
    ],
)
def test_what_settings_import_needs_no_apps(path: str) -> None:
    """Django reads the settings before there are models."""
    file = Path(whyness_mixpanel.__file__).parent / path.removeprefix("whyness_mixpanel.").replace(".", "/")
    source = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    imported = [
        node.module or "" for node in ast.parse(source.read_text()).body if isinstance(node, ast.ImportFrom)
    ]

    assert [name for name in imported if name.endswith((".models", ".suppression", ".tables"))] == []
