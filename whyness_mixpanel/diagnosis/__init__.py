"""What `mixpanel_check` tries, and what it says of it."""
