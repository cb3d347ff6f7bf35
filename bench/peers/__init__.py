"""Other clients over the same events; each runs in `.venv-peers`."""
