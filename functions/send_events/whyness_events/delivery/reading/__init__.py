"""Records to items that are checked, and encoded for Mixpanel."""
