"""The tables whose rows are events, and how each of their rows becomes one, whichever path carries it."""

from whyness_mixpanel.sources.cut_over import NotMigrated, cut_over
from whyness_mixpanel.sources.registry import UnknownSource, get, names, register
from whyness_mixpanel.sources.source import Source

__all__ = ["NotMigrated", "Source", "UnknownSource", "cut_over", "get", "names", "register"]
