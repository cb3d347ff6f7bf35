"""What the handler costs, measured. Nothing here is asserted: a test that times is a flaky test."""
