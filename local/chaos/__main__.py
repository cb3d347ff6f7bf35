"""`python -m local.chaos`."""

import sys

from local.chaos.cli import main
from local.loopback import bypass_proxies
from local.processes import stop_like_ctrl_c

stop_like_ctrl_c()
bypass_proxies()
sys.exit(main())
