"""The live page: what happens in a stack now, for a browser on this machine."""
