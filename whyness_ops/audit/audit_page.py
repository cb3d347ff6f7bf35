"""Pure: the result of an audit as one HTML page, which loads nothing and runs nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from whyness_ops.audit.audit_report import (
    CANNOT_TELL,
    Report,
    not_compared,
    rows_of,
    summary_rows,
    unprobed_rows,
)
from whyness_ops.audit.project_time import day_name
from whyness_ops.audit.verdicts import FAULTS, Verdict
from whyness_ops.output import printable

_STYLE = """
:root { color-scheme: light dark; --ok: #2f7d4f; --fault: #c0392b; --apart: #8a8a8a; }
@media (prefers-color-scheme: dark) { :root { --ok: #5fbf86; --fault: #ff7b6b; --apart: #a0a0a0; } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } caption { text-align: left; font-weight: bold; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid var(--apart); text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } tr.fault th { color: var(--fault); }
.scroll { overflow-x: auto; margin: 1.5rem 0; } .scroll:focus-visible { outline: 3px solid; }
svg { max-width: 100%; height: auto; } svg text { fill: currentColor; font-size: 11px; }
.ok { fill: var(--ok); } .fault { fill: var(--fault); } .apart { fill: var(--apart); }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_HEIGHT, _BAR, _LABELS = 160, 18, 70
_MOST_BARS = 400
_GROUPS = (("ok", "matched"), ("apart", "counted apart"), ("fault", "missing, different or unexpected"))


def page(report: Report) -> str:
    """Return the page."""
    about = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in report.about.items())
    unknown = "".join(
        f"<li>{day_name(day)}: {_text(why)}</li>" for day, why in sorted(report.incomplete.items())
    )
    rows = rows_of(report)
    names = [verdict for verdict in Verdict if any(verdict in row for row in rows)]
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Audit of Mixpanel</title>',
        '<meta name="viewport" content="width=device-width">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<style>{_STYLE}</style></head><body><main><h1>Audit of Mixpanel</h1><dl>{about}</dl>",
        f"<h2>Days that could not be judged</h2><ul>{unknown}</ul>" if unknown else "",
        _table("Together", summary_rows(report), ["count", "verdict", "meaning"]),
        _chart(report),
        _table("By day and event name", rows, ["day", "event", *names]),
    ]
    if report.counts.unprobed:
        caption = "Differences that Mixpanel may make itself; untested"
        parts.append(_table(caption, unprobed_rows(report), ["count", "property", "rule"]))
    left_out = "".join(f"<li>{_text(line)}</li>" for line in not_compared())
    parts.append(f"<h2>Not compared</h2><ul>{left_out}</ul><p>{CANNOT_TELL}</p></main></body></html>\n")
    return "\n".join(parts)


def _table(caption: str, rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> str:
    heads = "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
    body = "".join(_row(row, names) for row in rows)
    label = escape(caption)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table>'
        f"<caption>{label}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(row: Mapping[str, Any], names: Sequence[str]) -> str:
    is_fault = any(row.get(verdict) for verdict in FAULTS) or row.get("verdict") in FAULTS
    cells = [_cell(row.get(name, "")) for name in names]
    cells[0] = f'<th scope="row">{_text(row.get(names[0], ""))}</th>'
    return f"<tr{' class=fault' if is_fault else ''}>{''.join(cells)}</tr>"


def _cell(value: object) -> str:
    return f"<td{' class=number' if isinstance(value, int) else ''}>{_text(value)}</td>"


def _chart(report: Report) -> str:
    """Return a bar for each day: what matched, what is counted apart, what is a fault."""
    days = _by_day(report)
    if not days or len(days) > _MOST_BARS:
        return ""
    most = max(sums.total() for sums in days.values()) or 1
    bars = "".join(_bar(place, day, days[day], most) for place, day in enumerate(sorted(days)))
    width = max(len(days) * _BAR, 320)
    legend = "".join(
        f'<rect class="{group}" x="{8 + 110 * place}" y="4" width="10" height="10"/>'
        f'<text x="{22 + 110 * place}" y="13">{label}</text>'
        for place, (group, label) in enumerate(_GROUPS)
    )
    height = _HEIGHT + _LABELS + 20
    return (
        f'<figure><svg role="img" aria-label="Events by day; the table below has the numbers" '
        f'viewBox="0 0 {max(width, 430)} {height}" width="{max(width, 430)}">{legend}{bars}</svg>'
        "<figcaption>Events by local day of the project.</figcaption></figure>"
    )


def _by_day(report: Report) -> dict[int, Counter[str]]:
    days: dict[int, Counter[str]] = {}
    for (verdict, day, _), count in report.counts.verdicts.items():
        group = "fault" if verdict in FAULTS else "ok" if verdict is Verdict.MATCHED else "apart"
        days.setdefault(day, Counter())[group] += count
    return days


def _bar(place: int, day: int, sums: Counter[str], most: int) -> str:
    x, y = place * _BAR + 2, float(_HEIGHT + 20)
    parts = []
    for group, _ in _GROUPS:
        if not sums[group]:
            continue
        height = max(1.0, sums[group] / most * _HEIGHT)  # one fault among a million is seen, too
        y -= height
        parts.append(f'<rect class="{group}" x="{x}" y="{y:.1f}" width="{_BAR - 4}" height="{height:.1f}"/>')
    told = ", ".join(f"{label} {sums[group]}" for group, label in _GROUPS)
    label_y = _HEIGHT + 26
    return (
        f"<g><title>{day_name(day)}: {told}</title>{''.join(parts)}"
        f'<text transform="translate({x + 4} {label_y}) rotate(90)">{day_name(day)}</text></g>'
    )


def _text(value: object) -> str:
    return escape(printable(str(value)).replace("\n", " "))
