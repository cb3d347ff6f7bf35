"""What each client of Mixpanel, and this project, lose while Mixpanel fails."""
