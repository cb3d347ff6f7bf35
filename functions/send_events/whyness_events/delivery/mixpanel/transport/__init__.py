"""Edge: HTTP to Mixpanel."""
