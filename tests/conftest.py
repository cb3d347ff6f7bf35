"""What all tests share: Hypothesis tries the same examples on every machine, and is never timed."""

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("ci")
