"""From SQS records to Mixpanel. `deliver.py` is the flow of an invocation; each folder is one of its steps.

- `reading`: records to events, checked, encoded for Mixpanel.
- `sending`: events to requests, and answers to outcomes.
- `settling`: dead letters, rows of the Log table, and when a record returns.
- `mixpanel`: Mixpanel's formats; `mixpanel/transport` is HTTP.
- `aws`: clients of SQS, DynamoDB and Secrets Manager.

Modules are pure except the edges: `aws`, `mixpanel/transport`, `clock.py`, `telemetry.py`.
"""
