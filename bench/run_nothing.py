"""Prepare the invocations and do nothing: its instructions are subtracted from the others'."""

import sys

from bench.workload import invocations

invocations(int(sys.argv[1]), per_message=int(sys.argv[2]))
