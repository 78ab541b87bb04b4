"""Building a chain from its configuration.

A step names its middleware by an entry point of the group `protes.middleware` or as `module:attribute`. Either way it
is a factory that takes the options as keywords. Built-ins are entry points like any other.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import EntryPoints, entry_points
from typing import Any, Protocol, cast

from middleware.chain import Chain, OnError, Step
from middleware.errors import MiddlewareConfigError, OptionError
from middleware.kinds import AnyMiddleware, Filter, Rewrite, Score

__all__ = ["GROUP", "Factory", "StepConfig", "StepSpec", "build_chain", "installed"]

GROUP = "protes.middleware"
"""The entry point group."""

Factory = Callable[..., AnyMiddleware]
"""Makes a middleware of its options, given by keyword; refuses a bad one with `OptionError`."""

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class StepConfig(Protocol):
    """What configures a step; `StepSpec`, or any settings object with these fields."""

    @property
    def use(self) -> str:
        """Entry point name, or `module:attribute`."""

    @property
    def options(self) -> Mapping[str, Any]:
        """Keywords for the factory."""

    @property
    def on_error(self) -> OnError:
        """What a failure of the step means."""

    @property
    def alternatives(self) -> "Sequence[StepConfig]":
        """What is tried, in order, where the step does not apply or fails."""


@dataclass(frozen=True, slots=True)
class StepSpec:
    """The configuration of a step as a plain value."""

    use: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    on_error: OnError = "fail"
    alternatives: "tuple[StepSpec, ...]" = ()


def build_chain(steps: Sequence[StepConfig]) -> Chain:
    """Load all middleware of a configuration and make the chain.

    Raises:
        MiddlewareConfigError: A name leads nowhere, an option is unknown, missing or wrong, or a step is put together
            wrongly. The text names the step by number and name and says what is allowed, and repeats no option's value.
    """
    found = entry_points(group=GROUP)
    return Chain(tuple(_step(config, f"step {number} ({config.use})", found) for number, config in enumerate(steps, 1)))


def installed() -> tuple[str, ...]:
    """Return the names of the middleware that is installed, sorted."""
    return tuple(sorted(entry_points(group=GROUP).names))


def _step(config: StepConfig, where: str, found: EntryPoints) -> Step:
    choices = [(config.use, _make(config, where, found))]
    for number, alternative in enumerate(config.alternatives, 1):
        place = f"{where}, alternative {number} ({alternative.use})"
        if alternative.alternatives or alternative.on_error != "fail":
            raise MiddlewareConfigError(f"{place}: on_error and alternatives belong to the step itself")
        choices.append((alternative.use, _make(alternative, place, found)))
    try:
        return Step(tuple(choices), config.on_error)
    except ValueError as error:
        raise MiddlewareConfigError(f"{where}: {error}") from error


def _make(config: StepConfig, where: str, found: EntryPoints) -> AnyMiddleware:
    factory = _load(config.use, where, found)
    _check_names(factory, config.options, where)
    try:
        made = factory(**config.options)
    except OptionError as error:
        raise MiddlewareConfigError(f"{where}: {error}") from None
    except Exception as error:  # noqa: BLE001  strangers' factories raise anything
        # Not chained: what it says about an option may repeat the value.
        raise MiddlewareConfigError(f"{where}: its factory failed with {type(error).__name__}") from None
    if not isinstance(made, Filter | Score | Rewrite) and not callable(made):
        raise MiddlewareConfigError(
            f"{where}: its factory must return a Filter, a Score, a Rewrite or a callable (request, call_next)"
        )
    return made


def _load(use: str, where: str, found: EntryPoints) -> Factory:
    module, colon, attribute = use.partition(":")
    if colon:
        return _load_attribute(module, attribute, where)
    return _load_attribute(*_entry_point(use, where, found), where)


def _entry_point(name: str, where: str, found: EntryPoints) -> tuple[str, str]:
    targets = {(each.module, each.attr) for each in found.select(name=name)}
    if not targets:
        names = ", ".join(sorted(found.names)) or "none"
        raise MiddlewareConfigError(
            f"{where}: no middleware has this name; installed: {names}; or give module:attribute"
        )
    if len(targets) > 1:
        owners = ", ".join(sorted(f"{module}:{attribute}" for module, attribute in targets))
        raise MiddlewareConfigError(f"{where}: several packages offer this name; give one of {owners}")
    return targets.pop()


def _load_attribute(module: str, attribute: str, where: str) -> Factory:
    if not module or not attribute:
        raise MiddlewareConfigError(f"{where}: a path to a middleware is module:attribute")
    try:
        target: object = import_module(module)
    except ImportError as error:
        raise MiddlewareConfigError(f"{where}: {error}") from error
    except Exception as error:
        raise MiddlewareConfigError(f"{where}: importing {module} failed with {type(error).__name__}") from error
    for part in attribute.split("."):
        target = getattr(target, part, None)
    if not callable(target):
        raise MiddlewareConfigError(f"{where}: {module} has no factory {attribute}")
    return cast(Factory, target)


def _check_names(factory: Factory, options: Mapping[str, Any], where: str) -> None:
    parameters = inspect.signature(factory).parameters.values()
    allowed = [each.name for each in parameters if each.kind in _NAMED]
    unknown = sorted(set(options) - set(allowed))
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
    if unknown and not takes_any:
        names = ", ".join(allowed) or "none"
        raise MiddlewareConfigError(f"{where}: unknown option {', '.join(unknown)}; allowed: {names}")
    needed = [each.name for each in parameters if each.kind in _NAMED and each.default is each.empty]
    missing = [name for name in needed if name not in options]
    if missing:
        raise MiddlewareConfigError(f"{where}: missing option {', '.join(missing)}")
