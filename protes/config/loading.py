"""Read the configuration: defaults < files < environment < command line (DESIGN.md section 5).

Files have FOCA's layout; ours is the section `custom`. An environment variable `PROTES_SERVER__PORT=9000` sets
`custom.server.port`; its value is read as YAML, but for secrets, which are taken as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from foca.config.config_parser import ConfigParser, deep_merge
from foca.models.config import AuthConfig, Config
from pydantic import BaseModel, SecretStr, ValidationError

from protes.config.credentials import Credentials
from protes.config.events import EventSettings
from protes.config.keys import read_keys
from protes.config.observing import LEAST_TOKEN, MetricsSettings
from protes.config.references import Unresolved, resolved
from protes.config.runner import RunnerSettings, check_broker_url
from protes.config.settings import ServerSettings, Settings
from protes.config.store import StoreSettings, check_store_url
from protes.secrets import SecretMissing, Secrets

DEFAULTS = Path(__file__).with_name("defaults.yaml")
ENVIRONMENT_PREFIX = "PROTES_"
_NOT_SETTINGS = frozenset(
    {
        "PROTES_CONFIG",
        "PROTES_NODE_SPEED",
        "PROTES_OPERATOR_TOKEN",
        "PROTES_PASSWORD",
        "PROTES_SPEC_DIR",
        "PROTES_TOKEN",
        "PROTES_URL",
        "PROTES_USER",
    }
)


class ConfigError(Exception):
    """The configuration cannot be used; the text names the setting and never holds a value."""


@dataclass(frozen=True)
class Loaded:
    """A configuration that was read and checked.

    Attributes:
        files: the files in the order in which FOCA merges them, defaults first.
        settings: our own part of it.
        foca: all of it as FOCA reads it, our part unchecked.
        secret_files: the files that secrets were read from which settings refer to.
    """

    files: tuple[Path, ...]
    settings: Settings
    foca: Config
    secret_files: tuple[Path, ...] = ()


def load(files: Sequence[Path | str], environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Loaded:
    """Read configuration files, environment and overrides.

    Args:
        files: YAML files in FOCA's layout; later ones win.
        environ: the process's environment.
        overrides: nested settings that win over everything, from the command line.

    Raises:
        ConfigError: a file cannot be read, or a setting is unknown or out of range.
    """
    paths = (DEFAULTS, *(Path(file) for file in files))
    try:
        parser = ConfigParser(list(paths), format_logs=False)
    except ValidationError as problem:
        raise ConfigError(_describe(problem, "")) from None
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{problem}{_cause(problem)}") from None
    _refuse_unknown_sections(parser.config)
    custom = getattr(parser.config, "custom", None) or {}
    if not isinstance(custom, dict):
        raise ConfigError("custom: must be a mapping of settings")
    merged = deep_merge(deep_merge(custom, from_environment(environ)), dict(overrides or {}))
    secrets = Secrets(environ)
    try:
        settings = Settings.model_validate(resolved(merged, Settings, secrets))
    except Unresolved as problem:
        raise ConfigError(f"custom.{problem}") from None
    except ValidationError as problem:
        raise ConfigError(_describe(problem, "custom.")) from None
    return Loaded(paths, settings, parser.config, tuple(map(Path, secrets.files)))


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Turn `PROTES_A__B=value` into `{"a": {"b": value}}`; a secret is the value itself, without spaces around it.

    Raises:
        ConfigError: a value that is no secret is not YAML.
    """
    settings: dict[str, Any] = {}
    for name in sorted(environ):
        if not name.startswith(ENVIRONMENT_PREFIX) or name in _NOT_SETTINGS:
            continue
        path = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        try:
            value: Any = (environ[name].strip() or None) if _is_secret(path) else yaml.safe_load(environ[name])
        except yaml.YAMLError:
            raise ConfigError(f"{name}: the value of this environment variable is not YAML") from None
        for part in reversed(path):
            value = {part: value}
        settings = deep_merge(settings, value)
    return settings


def _is_secret(path: Sequence[str]) -> bool:
    """Tell whether a setting is one secret: read as YAML, some of them would be a number, or end at a `#`."""
    kinds: tuple[Any, ...] = (Settings,)
    for part in path:
        models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        field = next((model.model_fields[part] for model in models if part in model.model_fields), None)
        if field is None:
            return False
        union = get_origin(field.annotation) in (Union, UnionType)
        kinds = get_args(field.annotation) if union else (field.annotation,)
    return SecretStr in kinds


def read_reference(reference: str, secrets: Secrets, where: str) -> SecretStr:
    """Fetch the secret that a setting refers to.

    Args:
        reference: `env:NAME`, `file:PATH` or `azure-key-vault:VAULT/NAME`.
        secrets: reads it.
        where: the setting, for errors.

    Raises:
        ConfigError: it cannot be had; the text says where it was looked for.
    """
    try:
        return secrets.read(reference)
    except (SecretMissing, ValueError) as problem:
        raise ConfigError(f"{where}: {problem}") from None


def read_token(token: str | None, token_env: str | None, secrets: Secrets, where: str) -> SecretStr | None:
    """Fetch the token that a setting refers to, by reference or by the name of an environment variable.

    Raises:
        ConfigError: it cannot be had; the text says where it was looked for.
    """
    reference = token if token is not None else (f"env:{token_env}" if token_env else None)
    return None if reference is None else read_reference(reference, secrets, where)


def read_secret(
    credentials: Credentials, environ: Mapping[str, str], where: str, secrets: Secrets | None = None
) -> SecretStr | None:
    """Fetch the secret that a credential names.

    Raises:
        ConfigError: it cannot be had; the text says where it was looked for.
    """
    if credentials.secret is not None:
        return read_reference(credentials.secret, secrets or Secrets(environ), where)
    if credentials.secret_env is not None:
        value = environ.get(credentials.secret_env, "")
        if not value:
            raise ConfigError(f"{where}: the environment variable {credentials.secret_env} is not set")
        return SecretStr(value)
    if credentials.secret_file is not None:
        with _reading(f"{where}: {credentials.secret_file}"):
            return SecretStr(Path(credentials.secret_file).read_text(encoding="utf-8").strip())
    return None


def secret_keys(server: ServerSettings) -> Sequence[SecretStr]:
    """Return the keys that secrets are encrypted with at rest, the newest first; nothing where there are none.

    Raises:
        ConfigError: their file cannot be read, or has something else in it; the text does not show what.
    """
    return _keys(server.secret_key, server.secret_key_file, "custom.server.secret_key_file")


def metrics_token(metrics: MetricsSettings) -> SecretStr | None:
    """Return what readers of metrics must show, None where there is no such token.

    Raises:
        ConfigError: its file cannot be read, or has something else in it; the text does not show what.
    """
    if metrics.token_file is None:
        return metrics.token
    with _reading(f"custom.metrics.token_file: {metrics.token_file}"):
        token = Path(metrics.token_file).read_text(encoding="utf-8").strip()
        if len(token) < LEAST_TOKEN:
            raise ValueError(f"a token has {LEAST_TOKEN} characters at least")
        return SecretStr(token)


def callback_keys(events: EventSettings) -> Sequence[SecretStr]:
    """Return the keys that webhooks are signed with; nothing where there are none.

    Raises:
        ConfigError: their file cannot be read, or has something else in it; the text does not show what.
    """
    return _keys(events.callback_keys, events.callback_keys_file, "custom.events.callback_keys_file")


def broker_url(runner: RunnerSettings) -> SecretStr:
    """Return the URL of the broker, with user and password, of a runner of kind `celery`.

    Raises:
        ConfigError: its file cannot be read, or has something else in it; the text does not show what.
    """
    if runner.broker_url is not None:
        return runner.broker_url
    assert runner.broker_url_file is not None  # noqa: S101 (the settings were checked)
    with _reading(f"custom.runner.broker_url_file: {runner.broker_url_file}"):
        return check_broker_url(SecretStr(Path(runner.broker_url_file).read_text(encoding="utf-8")))


def store_url(store: StoreSettings) -> str:
    """Return what the store is named by; it may hold a password.

    Raises:
        ConfigError: its file cannot be read, or has something else in it; the text does not show what.
    """
    if store.url_file is None:
        return store.url
    where = f"custom.store.url_file: {store.url_file}"
    with _reading(where):
        url = check_store_url(Path(store.url_file).read_text(encoding="utf-8").strip())
    if "://" not in url:
        raise ConfigError(f"{where}: there is no URL in it")
    return url


def _keys(keys: Sequence[SecretStr], file: str | None, setting: str) -> Sequence[SecretStr]:
    """Return the keys of a file where one is named, else those given; raises ConfigError as `_reading` says."""
    if file is None:
        return keys
    with _reading(f"{setting}: {file}"):
        return read_keys(Path(file))


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Say of a file of secrets what is wrong with it, and not what is in it.

    Raises:
        ConfigError: it cannot be read, is no text, or has something else in it; the text begins with `where`.
    """
    try:
        yield
    except UnicodeDecodeError:
        raise ConfigError(f"{where} is no text") from None
    except OSError as problem:
        raise ConfigError(f"{where} cannot be read: {problem.strerror}") from None
    except ValueError as problem:
        raise ConfigError(f"{where}: {problem}") from None


def _refuse_unknown_sections(config: Config) -> None:
    """FOCA lets any section pass; a setting written beside `custom` would silently do nothing."""
    unknown = sorted(set(config.model_extra or {}) - {"custom"})
    if unknown:
        raise ConfigError(f"{unknown[0]}: unknown section; settings of protes stand under `custom:`")
    if config.security.auth != AuthConfig():
        # FOCA would check tokens of operations whose documents ask for it; ours do not, so it would let everybody in.
        raise ConfigError("security.auth: is not used; who gets in is said under `custom: {auth: ...}`")


def _cause(problem: Exception) -> str:
    """Say what FOCA leaves out: the place of the error in the file, but not what stands there, or what stopped it."""
    cause = problem.__cause__
    if isinstance(cause, yaml.MarkedYAMLError) and cause.problem_mark is not None:
        return f": line {cause.problem_mark.line + 1}, column {cause.problem_mark.column + 1}"
    return f": {cause.strerror}" if isinstance(cause, OSError) else ""


def _describe(problem: ValidationError, prefix: str) -> str:
    lines = []
    for error in problem.errors(include_input=False, include_url=False, include_context=False):
        where = ".".join(str(part) for part in error["loc"])
        lines.append(f"{prefix}{where}: {error['msg']}" if where else error["msg"])
    return "; ".join(lines)
