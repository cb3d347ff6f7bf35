"""Pure: what samconfig.toml says of an environment, `dev` or `prod`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class ConfigError(Exception):
    """samconfig.toml lacks something; the text says what."""


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment.

    Args:
        overrides: parameters of the template.
        tags: of the stack.
    """

    name: str
    stack: str
    region: str
    overrides: Mapping[str, str]
    tags: Mapping[str, str]

    @property
    def architecture(self) -> str:
        """The processor to build for.

        Raises:
            ConfigError: none is named.
        """
        try:
            return self.overrides["Architecture"]
        except KeyError:
            raise ConfigError(
                f"samconfig.toml names no Architecture=... under [{self.name}.deploy.parameters]."
            ) from None


def read_environment(samconfig: str, name: str) -> Environment:
    """Return an environment of samconfig.toml (its text).

    Raises:
        ConfigError: it has no such environment.
    """
    commands = tomllib.loads(samconfig).get(name, {})
    shared, deploy = (_parameters(commands, command) for command in ("global", "deploy"))
    try:
        stack, region = str(shared["stack_name"]), str(shared["region"])
    except KeyError:
        raise ConfigError(f"samconfig.toml has no stack {name!r}: CONFIG_ENV is dev or prod.") from None
    return Environment(name, stack, region, _pairs(deploy, "parameter_overrides"), _pairs(deploy, "tags"))


def _parameters(commands: Mapping[str, Any], command: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = commands.get(command, {}).get("parameters", {})
    return found


def _pairs(parameters: Mapping[str, Any], name: str) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in parameters.get(name, []))
