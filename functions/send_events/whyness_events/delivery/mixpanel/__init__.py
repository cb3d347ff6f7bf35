"""Mixpanel's formats: events, answers, error texts, credentials. The HTTP client is in `transport`."""
