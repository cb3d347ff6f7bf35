"""The docs' pages: links lead somewhere, old paths still do, and each page is of its kind."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# Where pages lay before they were sorted by kind. Bookmarks, tickets and mails of alarms have these paths.
OLD = ["admin", "backfill", "bench", "capacity", "chaos", "deploy", "django", "identity", "message", "ops"]
OLD += ["privacy", "upgrade"]
PAGES = sorted({ROOT / "README.md", *DOCS.glob("**/*.md"), *ROOT.glob("example/*.md")})
GUIDES = [
    DOCS / "tutorial.md",
    DOCS / "architecture.md",
    *DOCS.glob("how-to/*.md"),
    *DOCS.glob("explanation/*.md"),
]
MOST_WORDS = 1_200
# Guides that are being rewritten, and a page that is gone and still named. Empty it.
NOT_YET: set[str] = set()
# What a how-to's heading begins with: the reader's task.
TASKS = frozenset(
    re.findall(
        r"\w+",
        "Add Audit Backfill Build Change Check Deploy Estimate Fill Find Fix Forget Give Handle Honour "
        "Install Keep Link Look Measure Move Probe Prove Publish Redrive Release Remove Replace Roll "
        "Rotate Run See Send Set Ship Stop Switch Test Try Upgrade Use Watch Write",
    )
)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_NAMED = re.compile(r"(?<![\w./-])docs/[\w./-]*\.(?:md|json|yaml|cron|service|py|png|svg)\b")


def name(page: Path) -> str:
    """Return the page's path in the repository."""
    return str(page.relative_to(ROOT))


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return what a link may name in a page: its headings as a forge, and MyST, call them."""
    slugs: list[str] = []
    for heading in re.findall(r"^#{1,6} (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        slugs.append(f"{slug}-{slugs.count(slug)}" if slug in slugs else slug)
    return frozenset(slugs)


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Yield the file and the anchor of each link to a file."""
    text = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text()))
    for link in _LINK.findall(text):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_to_a_heading_of_it(page: Path) -> None:
    """As the files lie; `make docs` checks the same on the site."""
    broken = [
        f"{target}#{anchor}"
        for target, anchor in links(page)
        if name(target) not in NOT_YET and (not target.exists() or (anchor and anchor not in anchors(target)))
    ]

    assert broken == []


def test_links_are_found() -> None:
    """A pattern that matches nothing would find nothing broken."""
    found = [link for page in PAGES for link in links(page)]

    assert len([anchor for _, anchor in found if anchor]) > 10
    assert {"docs/index.md", "docs/runbook.md", "README.md"} <= {name(page) for page in PAGES}


@pytest.mark.parametrize("old", OLD)
def test_an_old_path_leads_to_where_its_page_is_now(old: str) -> None:
    """Links only to pages that are no stubs themselves; not in the site's menu."""
    page = DOCS / f"{old}.md"
    targets = [target for target, _ in links(page)]

    assert page.read_text().startswith("---\norphan: true\n---\n")
    assert targets != []
    assert [target for target in targets if target.parent == DOCS and target.stem in OLD] == []


# The sections of pages that are several now. Links from elsewhere name them.
SECTIONS = {
    "backfill": ["after-an-interruption", "history", "single-rows", "a-source-of-your-own"],
    "django": [
        *(
            "install",
            "send-an-event",
            "what-values-become",
            "what-send-does-and-what-it-returns",
            "the-relay",
        ),
        *("the-outbox-and-its-drain", "without-aws-the-backend-mixpanel", "a-backend-of-your-own", "health"),
        *("the-queues-host", "signals", "settings", "system-checks", "counts-and-log"),
        *("processes-and-threads", "tests-of-your-site", "upgrading-from-the-old-app"),
    ],
    "identity": ["the-event-that-links-a-prospect-to-the-registered-user", "events-of-programs"],
    "privacy": [
        *("secrets-in-events", "opt-out", "forget-a-person", "the-address-of-a-request"),
        "is-everything-there",
    ],
}


@pytest.mark.parametrize("old", SECTIONS)
def test_an_old_section_leads_to_where_its_text_is_now(old: str) -> None:
    """Each has a heading with its old anchor, and a link below it."""
    page = DOCS / f"{old}.md"
    sections = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)[1:]

    assert set(SECTIONS[old]) <= anchors(page)
    assert [section for section in sections if not _LINK.search(section)] == []


def test_every_page_that_a_file_names_is_there() -> None:
    """Code, template, alarms, messages, help texts, comments: whatever git tracks."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    files = [ROOT / path for path in listed.stdout.splitlines() if not path.endswith((".png", ".gz"))]
    named = [(file, path) for file in files if file.exists() for path in _NAMED.findall(file.read_text())]
    missing = {f"{name(file)}: {path}" for file, path in named if not (ROOT / path).exists()}

    assert [text for text in missing if text.rpartition(" ")[2] not in NOT_YET] == []
    assert {"docs/runbook.md", "docs/how-to/deploy.md"} <= {path for _, path in named}


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_a_guide_is_read_in_one_sitting(page: Path) -> None:
    """Tutorial, how-to and explanation; reference, runbook and decisions are searched."""
    if name(page) in NOT_YET:
        pytest.skip("it is being rewritten")

    assert len(page.read_text().split()) <= MOST_WORDS


@pytest.mark.parametrize("page", sorted(DOCS.glob("how-to/*.md")), ids=name)
def test_the_heading_of_a_how_to_is_a_task(page: Path) -> None:
    """It begins with what the reader wants to do."""
    if name(page) in NOT_YET:
        pytest.skip("it is being rewritten")
    heading = re.search(r"^# (\w+)", page.read_text(), re.MULTILINE)

    assert heading is not None
    assert heading[1] in TASKS, "begin with a verb, and add it to TASKS"


def glossary() -> list[str]:
    """Return the glossary's terms."""
    page = (DOCS / "reference/glossary.md").read_text()
    return re.findall(r"^\| (?!term|---)([^|]+) \|", page, re.MULTILINE)


def test_the_glossary_is_short_and_sorted() -> None:
    """At most 30 terms, one line each: no other word needs to be learnt."""
    terms = glossary()

    assert 0 < len(terms) <= 30
    assert terms == sorted(terms, key=str.lower)


@pytest.mark.parametrize("term", glossary())
def test_a_term_of_the_glossary_is_used(term: str) -> None:
    """On another page than the glossary, or it is in the way."""
    pages = [page for page in PAGES if page.stem != "glossary"]

    assert any(re.search(rf"\b{re.escape(term)}", page.read_text(), re.IGNORECASE) for page in pages)
