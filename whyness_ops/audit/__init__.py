"""Whether Mixpanel has every event that it should have: docs/how-to/audit.md."""
