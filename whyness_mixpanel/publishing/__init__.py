"""Carries events to the queue: a row in the page's transaction, then the relay (docs/decisions/0010)."""
