"""What a release says of itself."""

import sys
from pathlib import Path

import pytest

from infra.release_notes import NoNotes, notes, sbom

CHANGELOG = "# Changelog\n\n## 0.2.0 (2026-12-01)\n\n- New.\n\n## 0.1.0\n\n- Old.\n"


def test_the_notes_are_the_section_of_the_tag() -> None:
    """Without its heading, and without its neighbours; the last one too."""
    assert notes(CHANGELOG, "v0.2.0") == "- New.\n"
    assert notes(CHANGELOG, "v0.1.0") == "- Old.\n"


@pytest.mark.parametrize(("tag", "text"), [("v0.3.0", "no section for 0.3.0"), ("v0", "no section")])
def test_a_version_without_notes_is_not_released(tag: str, text: str) -> None:
    """Nor one that the CHANGELOG still calls unreleased."""
    with pytest.raises(NoNotes, match=text):
        notes(CHANGELOG, tag)
    with pytest.raises(NoNotes, match=r"calls 0\.2\.0 unreleased"):
        notes(CHANGELOG.replace("2026-12-01", "unreleased"), "v0.2.0")


def test_the_list_of_parts_has_each_library_with_its_version() -> None:
    """Of an environment; pip itself is not part of what is released."""
    found = sbom(Path(sys.prefix))

    purls = {component["purl"].rpartition("@")[0] for component in found["components"]}
    assert {"pkg:pypi/boto3", "pkg:pypi/aws-lambda-powertools", "pkg:pypi/requests"} <= purls
    assert "pkg:pypi/pip" not in purls
    assert all(component["version"] for component in found["components"])
