"""Items to requests, and answers to outcomes.

`sender.py` is the flow of an invocation, over `posting.py`. What is refused as a whole is halved by
`splitting.py`; what is refused alone is tried by `trial_runner.py` before `blame.py` gives it an outcome.
"""
