"""What a release says of itself: its notes from the CHANGELOG, and a CycloneDX list of its parts.

python -m infra.release_notes notes v0.1.0
python -m infra.release_notes sbom DIRECTORY-OF-AN-ENVIRONMENT
"""

import argparse
import importlib.metadata
import json
import re
import sys
from pathlib import Path
from typing import Any

from infra.build import ROOT
from whyness_events.version import __version__


class NoNotes(Exception):
    """The CHANGELOG has no section of that version; the text says what to do."""


def notes(changelog: str, tag: str) -> str:
    """Return the section of a tag such as `v0.1.0`, without its heading.

    Raises:
        NoNotes: there is none, or it is still called unreleased.
    """
    version = tag.removeprefix("v")
    heading = rf"^## {re.escape(version)}(?![.\w])([^\n]*)\n"
    found = re.search(heading + r"(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if not found:
        raise NoNotes(f"CHANGELOG.md has no section for {version}. Add it, and tag again.")
    if "unreleased" in found[1]:
        raise NoNotes(f"CHANGELOG.md calls {version} unreleased. Write the date there, and tag again.")
    return found[2].strip() + "\n"


def sbom(environment: Path) -> dict[str, Any]:
    """Return the wheel and each library installed in a virtual environment, as CycloneDX 1.6 has it."""
    folders = [str(folder) for folder in environment.glob("lib/python3*/site-packages")]
    installed = {
        (distribution.metadata["Name"], distribution.version)
        for distribution in importlib.metadata.distributions(path=folders)
        if distribution.metadata["Name"] not in ("pip", "setuptools", "wheel")
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": _component("whyness-mixpanel", __version__, "application")},
        "components": [_component(name, version, "library") for name, version in sorted(installed)],
    }


def _component(name: str, version: str, kind: str) -> dict[str, str]:
    normal = re.sub(r"[-_.]+", "-", name).lower()
    return {"type": kind, "name": name, "version": version, "purl": f"pkg:pypi/{normal}@{version}"}


def main() -> int:
    """Print one of them; 2 where it cannot be."""
    parser = argparse.ArgumentParser(allow_abbrev=False, description=__doc__)
    parser.add_argument("what", choices=["notes", "sbom"])
    parser.add_argument("of", help="the tag, or the directory of a virtual environment")
    options = parser.parse_args()
    try:
        if options.what == "notes":
            sys.stdout.write(notes((ROOT / "CHANGELOG.md").read_text(), options.of))
        else:
            json.dump(sbom(Path(options.of)), sys.stdout, indent=2)
    except NoNotes as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
