"""Other Mixpanel clients with the same events; they run in `.venv-peers`."""
