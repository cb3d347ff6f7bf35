"""`python -m whyness_ops`: the command `whyness-mixpanel`."""

import sys

if not sys.flags.safe_path:
    # `-m` puts the current directory first; the installed command does not search it at all.
    sys.path.append(sys.path.pop(0))

from whyness_ops.cli import main

sys.exit(main())
