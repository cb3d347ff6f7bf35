"""`python -m local.mixpanel_simulator`."""

import sys

from .cli import main

sys.exit(main())
