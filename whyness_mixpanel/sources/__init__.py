"""The tables whose rows are events, and how a row becomes the same event on every path."""

from whyness_mixpanel.sources.history import HistoryUnknown, history_before
from whyness_mixpanel.sources.registry import UnknownSource, event_for, get, names, register
from whyness_mixpanel.sources.source import NoEvent, Source

__all__ = [
    "HistoryUnknown",
    "NoEvent",
    "Source",
    "UnknownSource",
    "event_for",
    "get",
    "history_before",
    "names",
    "register",
]
