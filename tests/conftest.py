"""What all tests share: Hypothesis tries the same examples on every machine, and is never timed."""

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100)
# `make mutation` runs each test for each mutant.
settings.register_profile("mutation", derandomize=True, deadline=None, max_examples=20)
settings.load_profile("ci")
