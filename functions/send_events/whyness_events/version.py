"""The version of the wheel, of `$lib_version` and of the changelog's topmost heading."""

__version__ = "0.1.0"
