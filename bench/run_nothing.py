"""Makes the work and does none of it: what the count of instructions must leave out."""

import sys

from bench.workload import invocations

invocations(int(sys.argv[1]), per_message=int(sys.argv[2]))
