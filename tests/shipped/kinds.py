"""What each command is: run by a test, or of a kind that cannot be run here. The list is closed."""

import re
from enum import Enum


class Kind(Enum):
    """How a command is looked after. Those after SHORT cannot be run by a test, and say why."""

    SITE = "run on a copy of the example site"
    PIPELINE = "run on an emulated stack"
    SIMULATOR = "run against the Mixpanel simulator"
    DRILL = "run in its order by the drill"
    UPGRADE = "run in its order by the upgrade's test"
    SHORT = "run as it stands"
    AWS = "needs an AWS account"
    STACK = "needs a deployed stack: run by `make e2e` or, as tail and live, locally; parsed here"
    FORGE = "runs where the project is released; zizmor reads the workflow"
    DOCKER = "needs Docker"
    ROOT = "needs root, and changes the machine"
    MIXPANEL = "needs a real Mixpanel project"
    MINUTES = "takes minutes, or is what runs this test"
    PLACEHOLDER = "names something of the reader's own"


# The first that matches decides.
_KINDS = (
    (r"make (help|clean)", Kind.SHORT),
    (r"make (deploy|undrift|rollback|destroy)", Kind.AWS),
    (r"make ", Kind.MINUTES),
    (r"aws |sam (deploy|delete)", Kind.AWS),
    (r"sam local invoke|docker ", Kind.DOCKER),
    (r"sam (build|validate)", Kind.MINUTES),
    (r"apt-get |systemctl ", Kind.ROOT),
    (r"bash \.ci/run", Kind.MINUTES),
    (r"pip install |git (rm|checkout) ", Kind.PLACEHOLDER),
    (r".*manage\.py mixpanel_(audit|forget|profiles (verify|sync(?! --dry-run)))", Kind.MIXPANEL),
    (r".*manage\.py mixpanel_check", Kind.MIXPANEL),
    (r".*manage\.py (events --activity ID|mixpanel_(backfill|redrive)$)", Kind.PLACEHOLDER),
    (r".*manage\.py mixpanel_redrive", Kind.PIPELINE),
    (r".*manage\.py (collectstatic|migrate whyness_mixpanel)", Kind.UPGRADE),
    (r".*manage\.py ", Kind.SITE),
    (r"\$WHYNESS_MIXPANEL |curl .*\$MIXPANEL_SIMULATOR|.*local\.publish|.*get_queue_attributes", Kind.DRILL),
    (r"whyness-mixpanel redrive --all", Kind.AWS),  # a message move task, which no emulator has
    (
        r"whyness-mixpanel (capacity|redrive|audit)$|whyness-mixpanel .*(SETTINGS_MODULE| (FILE|N)$)",
        Kind.PLACEHOLDER,
    ),
    (r"whyness-mixpanel (probe|audit) ", Kind.MIXPANEL),
    (
        r"whyness-mixpanel (status|doctor|tail|pause|resume|send|live)|(echo|cat) .*\| whyness-mixpanel send",
        Kind.STACK,
    ),
    (r"whyness-mixpanel ", Kind.PIPELINE),
    (r"python -m venv \.venv-sbom|\.venv-sbom/|gh release|.*-m infra\.release_notes", Kind.FORGE),
    (r"pre-commit install", Kind.FORGE),
    (r"curl .*\$URL/|.*local\.mixpanel_simulator", Kind.SIMULATOR),
    (r"python -c .import whyness_mixpanel|.*-m bench --help$|.*-m local\.chaos --list", Kind.SHORT),
    (r".*-m (bench|local\.chaos|local\.invoke|tests\.simulation|tests\.unit|pytest)", Kind.MINUTES),
)


def kind_of(text: str) -> Kind | None:
    """Return a command's kind; None for one that nobody has thought of."""
    return next((kind for pattern, kind in _KINDS if re.match(pattern, text)), None)
