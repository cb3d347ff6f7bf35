"""The sample of alarms on an audit: what CloudWatch makes of lines of a log by it."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from infra.build import ROOT
from local.template import _Loader
from tests.infra.cloudwatch import Metrics, series_key

SAMPLE = ROOT / "docs/samples/mixpanel-audit.alarms.yaml"


def template() -> dict[str, Any]:
    """Return the sample as data."""
    loaded: dict[str, Any] = yaml.load(SAMPLE.read_text(), _Loader)  # noqa: S506  (a SafeLoader)
    return loaded


def filtered(lines: Iterable[tuple[float, str]]) -> Metrics:
    """Return the metrics that the sample's filter publishes of lines with their times.

    Source: CloudWatch Logs User Guide (filter pattern syntax for metric filters) and the CDK's reference of
    MetricFilterProps, 2026-11: terms in braces match a line that is JSON; a value comes from a field that
    stands in the pattern.
    """
    of = template()["Resources"]["AuditLines"]["Properties"]
    [to] = of["MetricTransformations"]
    metrics = Metrics()
    for at_s, line in lines:
        for value in _values(line, of["FilterPattern"], to["MetricValue"]):
            metrics.put(series_key(to["MetricNamespace"], to["MetricName"], None), at_s, value)
    return metrics


_PATTERN = re.compile(r'\{ \$\.(?P<name>\w+) = "(?P<text>[^"*]+)" && (?P<value>\$\.\w+) >= 0 \}')


def _values(line: str, pattern: str, selector: str) -> Iterator[float]:
    found = _PATTERN.fullmatch(pattern)
    assert found is not None, "a pattern of another form"
    assert found["value"] == selector
    try:
        document = json.loads(line)
    except ValueError:
        return
    if isinstance(document, dict) and document.get(found["name"]) == found["text"]:
        value = document.get(selector.removeprefix("$."))
        if isinstance(value, int) and value >= 0:
            yield float(value)
