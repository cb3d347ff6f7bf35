"""Records of an invocation into items that are ready to be sent."""
