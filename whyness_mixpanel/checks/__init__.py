"""System checks of the settings. They never use the network; errors are only for contradictions.

CHECKS lists all of them. The docs' table is generated from it: a check's docstring is what its row says.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004  (Django's name for it)

from whyness_mixpanel.checks import backend_checks, database_checks, queue_checks, setting_checks
from whyness_mixpanel.checks.problem import Problem


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Args:
        name: the last part of its id; E is an error, W a warning.
        find: yields the problems of this site.
    """

    name: str
    find: Callable[[], Iterator[Problem]]

    @property
    def id(self) -> str:
        """By which a site silences it."""
        return f"whyness_mixpanel.{self.name}"

    def run(self) -> list[CheckMessage]:
        """Return the problems of this site as Django's messages."""
        message = Error if self.name.startswith("E") else Warning
        return [message(problem.what, hint=problem.hint, id=self.id) for problem in self.find()]


# Where it finds something, no other check runs.
_DICTIONARY = Check("E001", setting_checks.not_a_dictionary)
# Where it finds something, no check runs that reads values.
_VALUES = Check("E002", setting_checks.values_not_allowed)
_OF_VALUES = (
    Check("E004", queue_checks.region_differs),
    Check("W001", queue_checks.no_queue),
    Check("W010", queue_checks.other_host_called),
    Check("W004", backend_checks.direct_settings_missing),
    Check("W005", backend_checks.direct_packages_missing),
    Check("W011", backend_checks.unusable_backend),
    Check("W007", database_checks.sqlite_with_one_writer),
    Check("W008", backend_checks.uwsgi_without_threads),
)
_ALWAYS = (
    Check("E003", setting_checks.set_twice),
    Check("W006", setting_checks.removed_settings),
    Check("W002", setting_checks.unknown_keys),
    Check("E005", database_checks.unable_to_hold_outbox),
    Check("W009", database_checks.outbox_of_tenants),
)
_AT_DEPLOYMENT = Check("W003", backend_checks.sends_nothing)

CHECKS = (_DICTIONARY, _VALUES, *_OF_VALUES, *_ALWAYS, _AT_DEPLOYMENT)


def check_settings(app_configs: object, **kwargs: object) -> list[CheckMessage]:  # noqa: ARG001  (Django's signature)
    """Check that every setting can be read, and that no two contradict each other."""
    if not_a_dictionary := _DICTIONARY.run():
        return not_a_dictionary
    not_allowed = _VALUES.run()
    checks = _ALWAYS if not_allowed else (*_OF_VALUES, *_ALWAYS)
    return not_allowed + [message for check in checks for message in check.run()]


def check_discarding_backend(app_configs: object, **kwargs: object) -> list[CheckMessage]:  # noqa: ARG001  (as above)
    """Check, before a deployment, that events leave the process at all."""
    return _AT_DEPLOYMENT.run()
