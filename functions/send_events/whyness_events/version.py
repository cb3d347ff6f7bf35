"""The version of all that is built here: the wheel, `$lib_version`, the changelog's topmost heading."""

__version__ = "0.1.0"
