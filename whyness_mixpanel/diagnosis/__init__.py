"""What `mixpanel_check` checks, and its findings."""
