"""Another's text never brings a value along."""

from hypothesis import given
from hypothesis import strategies as st

from whyness_events.delivery.answers import safe_text

_QUOTES = "\"'`\u2018\u2019\u201c\u201d"
SECRET = "Confidential7f3a"
_words = st.sampled_from(["", "must not be", "field", "is invalid:", "x", ".", "properties", "\n"])
_quotes = st.sampled_from(_QUOTES)


@given(_words, st.tuples(_quotes, _quotes), st.text(max_size=10), st.text(max_size=10), _words)
def test_what_stands_in_quotes_is_not_shown(
    before: str, quotes: tuple[str, str], left: str, right: str, after: str
) -> None:
    """Whatever the quotes, whatever else they hold, more quotes included."""
    shown = safe_text(f"{before} {quotes[0]}{left}{SECRET}{right}{quotes[1]} {after}")

    assert SECRET not in shown


@given(_words, _quotes, st.text(max_size=10))
def test_what_stands_after_an_open_quote_is_not_shown(before: str, opened: str, left: str) -> None:
    """A text may be cut short inside a value."""
    assert SECRET not in safe_text(f"{before} {opened}{left}{SECRET}")


@given(st.text(max_size=8), st.sampled_from([" is invalid: must be a string", ": refused", ""]))
def test_name_of_a_callers_property_is_not_shown(name: str, after: str) -> None:
    """Not of one with blanks in it, either."""
    assert SECRET not in safe_text(f"properties.{name}{SECRET}{after}")


@given(st.text())
def test_text_is_short_and_can_be_printed_everywhere(text: str) -> None:
    """In a log line, a row, and an attribute of a dead letter."""
    shown = safe_text(text)

    assert len(shown) <= 200
    assert shown.isprintable()
