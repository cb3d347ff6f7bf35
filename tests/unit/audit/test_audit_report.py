"""The report as text and as a page."""

from collections import Counter
from html.parser import HTMLParser

from whyness_ops.audit.audit_page import page
from whyness_ops.audit.audit_report import Report, make_report, report_text
from whyness_ops.audit.verdicts import Counts, Verdict


def report(*verdicts: tuple[Verdict, int, str, int]) -> Report:
    """Return a report of verdict, day, name and count."""
    counts = Counts(verdicts=Counter({(verdict, day, name): count for verdict, day, name, count in verdicts}))
    return make_report(counts, {20_000: "it is cut"}, 0, {"zone": "UTC"})


def test_long_report_shows_what_does_not_match() -> None:
    """Of many days only those; the rest is a count."""
    many = [(Verdict.MATCHED, 20_000 + day, "A", 5) for day in range(100)]

    text = report_text(report(*many, (Verdict.MISSING, 20_050, "A", 1)))

    assert "2024-11-23  A      5        1" in text
    assert "Days and names of which all events matched: 99." in text
    assert len(text.splitlines()) < 15


def test_nothing_matched_is_more_likely_another_project() -> None:
    """The text says so where both sides have events."""
    nothing = report((Verdict.MISSING, 1, "A", 5), (Verdict.UNEXPECTED, 1, "B", 5))

    assert "another project" in report_text(nothing)
    assert "another project" not in report_text(report((Verdict.MISSING, 1, "A", 5)))


def test_incomplete_day_is_named() -> None:
    """With the reason, in the text and on the page."""
    unknown = report((Verdict.UNKNOWN, 20_000, "A", 5))

    assert "2024-10-04 is unknown: it is cut." in report_text(unknown)
    assert "<li>2024-10-04: it is cut</li>" in page(unknown)


class _Tags(HTMLParser):
    """Fails where a tag is not closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, _attrs: object) -> None:
        assert tag == "rect"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_page_is_well_formed_whatever_an_event_is_called() -> None:
    """A name is text there, and control characters are shown."""
    names = ("</td><script>alert(1)</script>", "a & b", "\x1b[31m", 'x" onload="y', "ü\u202e")
    tags = _Tags()

    tags.feed(page(report(*((Verdict.MISSING, 1, name, 1) for name in names))))

    assert tags.open == []
    assert set(names[:2]) <= set(tags.texts)
    assert "\\x1b[31m" in tags.texts
