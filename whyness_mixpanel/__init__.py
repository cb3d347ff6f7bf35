"""The Django app: make an event with `whyness_mixpanel.models.Event`, and publish it with `send()`."""
