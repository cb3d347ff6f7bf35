"""`python -m whyness_ops`: the command `whyness-mixpanel`."""

import sys

from whyness_ops.cli import main

sys.exit(main())
