from tests.django_support import db, pristine

__all__ = ["db", "pristine"]
