"""Data: the examples and exit codes that `--help` shows. Tests run each example."""

EXIT_CODES = """exit codes:
  0    success
  1    partly done: matched dead letters were not sent or came back, or a task failed
  2    wrong command line, a file that cannot be written, or an edit function that cannot be loaded
  3    AWS refuses or cannot be reached: queue, table, permission, region, credentials or connection
  4    refused because it is unsafe now: a message move task is running, or the two queues are swapped
  5    not found
  130  stopped by Ctrl-C; the inspected dead letters are visible again
"""

ROOT = """examples:
  whyness-mixpanel dlq list                             # what failed, and why
  whyness-mixpanel redrive --reason rejected --dry-run  # what a redrive would send
  whyness-mixpanel log show INSERT_ID                   # what became of one event
  whyness-mixpanel capacity --events-per-day 5m         # cost and capacity

"""

DLQ = """examples:
  whyness-mixpanel dlq list
  whyness-mixpanel dlq show MESSAGE_ID
"""

DLQ_LIST = """examples:
  whyness-mixpanel dlq list
  whyness-mixpanel dlq list --days 1 --sample 100
"""

DLQ_SHOW = """examples:
  whyness-mixpanel dlq show MESSAGE_ID
  whyness-mixpanel dlq show --insert-id INSERT_ID
"""

DLQ_EXPORT = """examples:
  whyness-mixpanel dlq export dead.jsonl
  whyness-mixpanel dlq export dead.jsonl --force

The file holds personal data; only its owner can read it.
"""

REDRIVE = """examples:
  whyness-mixpanel redrive --reason rejected --dry-run
  whyness-mixpanel redrive --reason rejected --since 2026-11-23 --edit fixes:shorten_names
  whyness-mixpanel redrive --all

With --all SQS itself moves the dead letters. An event counts once in Mixpanel, however often it is redriven.
"""

LOG = """examples:
  whyness-mixpanel log list --reason rejected
  whyness-mixpanel log stats
"""

LOG_LIST = """examples:
  whyness-mixpanel log list --reason rejected
  whyness-mixpanel log list --day 2026-11-23 --limit 20
"""

LOG_STATS = """examples:
  whyness-mixpanel log stats
  whyness-mixpanel log stats --days 1 --json
"""

LOG_SHOW = """examples:
  whyness-mixpanel log show INSERT_ID
"""

LOG_REBUILD = """examples:
  whyness-mixpanel log rebuild
"""

COMPLETION = """examples:
  whyness-mixpanel completion bash
  whyness-mixpanel completion zsh
  whyness-mixpanel completion fish

Save the output where the shell looks for completions:
  ~/.local/share/bash-completion/completions/whyness-mixpanel    (bash)
  _whyness-mixpanel, in a directory of $fpath                    (zsh)
  ~/.config/fish/completions/whyness-mixpanel.fish               (fish)
"""
