"""The documentation's site: it builds without a warning, and needs nothing from elsewhere."""

import re
import subprocess
import urllib.parse
from pathlib import Path

import pytest

from infra.build import ROOT

PYTHON = ROOT / ".venv-docs/bin/python"
# What a browser fetches by itself: not the links that a reader follows.
_FETCHED = re.compile(r"<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)=\"([^\"]*)\"")
_IN_CSS = re.compile(r"url\(['\"]?([^)'\"]+)|@import ['\"]([^'\"]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does; return its folder."""
    if not PYTHON.exists():
        pytest.skip("no .venv-docs: the site cannot be built without Sphinx (make docs has it)")
    target = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--fail-on-warning", "--doctree-dir", f"{target}.doctrees"]
    command = [str(PYTHON), "-m", "sphinx", *options, str(ROOT / "docs"), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (both are ours)
    assert done.returncode == 0, done.stderr
    return target


def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    """Scripts, styles, fonts and pictures are files of the site, so that it opens from file://."""
    pages, styles = list(site.rglob("*.html")), list(site.rglob("*.css"))
    fetched = [(page, url) for page in pages for url in _FETCHED.findall(page.read_text())]
    fetched += [(css, a or b) for css in styles for a, b in _IN_CSS.findall(css.read_text())]

    outside = [(str(file.relative_to(site)), url) for file, url in fetched if not _is_of_site(file, url)]

    assert len(fetched) > len(pages)
    assert outside == []


def _is_of_site(file: Path, url: str) -> bool:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme == "data" or (not parts.scheme + parts.netloc and (file.parent / parts.path).exists())


def test_the_site_names_no_path_of_this_machine(site: Path) -> None:
    """Who gets a copy of it learns nothing about where it was built."""
    texts = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    private = [str(ROOT).encode(), str(Path.home()).encode() + b"/", str(site).encode()]

    assert [path.name for path, text in texts.items() if any(name in text for name in private)] == []


def test_the_site_can_be_searched_without_a_server(site: Path) -> None:
    """The index is a script, which a page from file:// may load; it knows the words of the pages."""
    index = (site / "searchindex.js").read_text()

    assert index.startswith("Search.setIndex(")
    assert "outbox" in index
