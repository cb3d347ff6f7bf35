"""All that is Mixpanel's: its events, its answers, its words. What talks to it is in `transport`."""
