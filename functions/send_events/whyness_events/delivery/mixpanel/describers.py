"""The ways to describe a User-Agent header, by the value of MIXPANEL_NAMES. Loads no parser."""

from collections.abc import Mapping

from whyness_events.delivery.mixpanel.browser_names import describe_browser
from whyness_events.delivery.mixpanel.translate import DescribeUseragent
from whyness_events.delivery.mixpanel.useragent import describe_useragent

DESCRIBERS: Mapping[str, DescribeUseragent] = {"uap": describe_useragent, "browser": describe_browser}
