"""Make records safe once their items have outcomes: dead letters, Log rows, and when a record returns."""
