from tests.django_support import pristine

__all__ = ["pristine"]
