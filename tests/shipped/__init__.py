"""Every command that ships as text is run by a test here, or is of a class that says why it cannot be."""
