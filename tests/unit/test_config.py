"""Settings: where they come from, what is refused, and that secrets stay secret."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from protes.config.base import Section
from protes.config.credentials import Credentials
from protes.config.loading import DEFAULTS, ConfigError, from_environment, load, read_secret
from protes.config.settings import Settings

CANARY = "canary-0123456789abcdef"


def config(tmp_path: Path, text: str, name: str = "config.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_needs_to_be_set() -> None:
    loaded = load([], {})
    assert loaded.files == (DEFAULTS,)
    assert loaded.settings == Settings()
    assert loaded.settings.server.host == "127.0.0.1"
    assert loaded.settings.server.operator_token is None
    assert loaded.settings.server.cors_origins == ()


def test_command_line_wins_over_environment_over_files_over_defaults(tmp_path: Path) -> None:
    first = config(tmp_path, "custom: {server: {port: 1, threads: 1, workers: 2}, currency: USD}", "first.yaml")
    second = config(tmp_path, "custom: {server: {port: 2, threads: 2}}", "second.yaml")
    environ = {"PROTES_SERVER__PORT": "3", "PATH": "/bin"}
    loaded = load([first, str(second)], environ, {"server": {"port": 4}})
    assert loaded.files == (DEFAULTS, first, second)
    assert loaded.settings.currency == "USD"
    server = loaded.settings.server
    assert (server.port, server.threads, server.workers) == (4, 2, 2)
    assert load([first, second], environ).settings.server.port == 3
    assert load([first, second], {}).settings.server.port == 2
    assert load([], {}).settings.server.port == 8080


@pytest.mark.parametrize(
    ("environ", "settings"),
    [
        ({}, {}),
        ({"HOME": "/root", "protes_server__port": "1"}, {}),
        ({"PROTES_SERVER__PORT": "9000"}, {"server": {"port": 9000}}),
        ({"PROTES_CURRENCY": "USD"}, {"currency": "USD"}),
        ({"PROTES_SERVER__CORS_ORIGINS": "[https://a.example]"}, {"server": {"cors_origins": ["https://a.example"]}}),
        ({"PROTES_API__WEIGHT": "'0.5'"}, {"api": {"weight": "0.5"}}),
        (
            {"PROTES_SERVER__PORT": "1", "PROTES_SERVER__HOST": "h", "PROTES_STORE__URL": "data"},
            {"server": {"port": 1, "host": "h"}, "store": {"url": "data"}},
        ),
        ({"PROTES_SERVER": "{port: 1}", "PROTES_SERVER__HOST": "h"}, {"server": {"port": 1, "host": "h"}}),
        ({"PROTES_CONFIG": "file.yaml", "PROTES_URL": "http://localhost"}, {}),
    ],
)
def test_variables_name_settings(environ: dict[str, str], settings: dict[str, Any]) -> None:
    assert from_environment(environ) == settings


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("custom: {sever: {port: 1}}", "custom.sever"),
        ("custom: {server: {prot: 1}}", "custom.server.prot"),
        ("custom: {instances: [{id: a, url: 'http://a', weight: 1}]}", "custom.instances.0.weight"),
        ("custom: {instances: [{id: a, url: 'http://a', limits: {cpu: 1}}]}", "custom.instances.0.limits.cpu"),
        ("custom: {chain: [{use: random, option: {}}]}", "custom.chain.0.option"),
        ("custom: {server: {port: 70000}}", "custom.server.port"),
        ("custom: {server: {port: many}}", "custom.server.port"),
        ("custom: {server: {operator_token: short}}", "custom.server.operator_token"),
        ("custom: {server: {cors_origins: ['*']}}", "custom.server.cors_origins.0"),
        ("custom: {server: {cors_origins: ['https://a.example/']}}", "custom.server.cors_origins.0"),
        ("custom: {server: {cors_origins: ['https://.*\\.example']}}", "custom.server.cors_origins.0"),
        ("custom: {gateway_id: 'a b'}", "custom.gateway_id"),
        ("custom: {instances: [{id: 'a b', url: 'http://a'}]}", "custom.instances.0.id"),
        ("custom: {instances: [{id: a}]}", "custom.instances.0.url"),
        ("custom: {api: {states: some}}", "custom.api.states"),
        ("custom: {api: {weight: '2'}}", "custom.api.weight"),
        ("custom: {relay: {growth: 0}}", "custom.relay.growth"),
        ("instances: []", "instances"),
        ("server: {port: 8080, colour: red}", "server.colour"),
        ("custom: [1]", "custom"),
        ("- 1", "mapping"),
        ("custom: {", "config.yaml"),
    ],
)
def test_what_is_unknown_or_out_of_range_is_refused_by_name(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(ConfigError, match=f"(?i){where.replace('.', '[.]')}"):
        load([config(tmp_path, text)], {})


@pytest.mark.parametrize(
    ("environ", "where"),
    [
        ({"PROTES_SERVER__PROT": "1"}, "custom.server.prot"),
        ({"PROTES_SERVER__PORT": "many"}, "custom.server.port"),
        ({"PROTES_SERVER": "1"}, "custom.server"),
        ({"PROTES_SERVER": "1", "PROTES_SERVER__PORT": "[1]"}, "custom.server.port"),
        ({"PROTES_SERVER__PORT": "{"}, "PROTES_SERVER__PORT"),
        ({"PROTES_SERVER__PORT": "!!python/object/apply:os.system [true]"}, "PROTES_SERVER__PORT"),
    ],
)
def test_variables_are_refused_by_name_as_well(environ: dict[str, str], where: str) -> None:
    with pytest.raises(ConfigError, match=where.replace(".", "[.]")):
        load([], environ)


def test_two_instances_cannot_have_one_name() -> None:
    both = [{"id": "a", "url": "http://a"}, {"id": "a", "url": "http://b"}]
    with pytest.raises(ConfigError, match="two instances have the id a"):
        load([], {}, {"instances": both})


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"workers"):
        load([], {}, {"store": {"url": "memory:"}, "server": {"workers": 2}})
    with pytest.raises(ConfigError, match="lease_seconds must be longer"):
        load([], {}, {"dispatch": {"lease_seconds": 70}})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml"):
        load([tmp_path / "absent.yaml"], {})


# Secrets


def test_a_secret_is_in_no_text_that_is_made_of_settings() -> None:
    settings = load([], {"PROTES_SERVER__OPERATOR_TOKEN": CANARY}).settings
    assert settings.server.operator_token is not None
    assert settings.server.operator_token.get_secret_value() == CANARY
    for text in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert CANARY not in text


@pytest.mark.parametrize(
    "text",
    [
        f"custom: {{server: {{operator_token: [{CANARY}]}}}}",
        f"custom: {{server: {{operator_token: {{{CANARY}: 1}}}}}}",
        f"custom: {{server: {{port: {CANARY}}}}}",
        f"custom: {{server: {CANARY}}}",
        f"custom: {{gateway_id: '{CANARY}!'}}",
        f"custom: {{api: {{states: {CANARY}}}}}",
        f"custom: {{api: {{weight: {CANARY}}}}}",
        f"custom: {{dispatch: {{lease_seconds: 1, on_unknown: {CANARY}}}}}",
        f"custom: {{instances: [{{id: a, url: u, credentials: {{type: basic, secret_env: {CANARY}}}}}]}}",
        f"custom: {{instances: [{{id: a, url: u, credentials: {{type: {CANARY}}}}}]}}",
        f"custom: {{instances: [{{id: a, url: u, prices: {{currency: {CANARY}}}}}]}}",
        f"server: {{port: {CANARY}}}",
        f"custom: {{server: {{operator_token: {CANARY}",
        f"custom: {{server: {{operator_token: '{CANARY}",
        f"custom:\n  server:\n operator_token: {CANARY}\n  x",
        f"custom: !{CANARY} x",
        f"custom: *{CANARY}",
    ],
)
def test_an_error_names_the_setting_and_never_repeats_its_value(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load([config(tmp_path, text)], {})
    assert CANARY not in str(caught.value)
    assert str(caught.value)
    # Nor is it in what a traceback would show of the cause.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("value", [f"[{CANARY}", f"{{{CANARY}: [", f"!{CANARY} x", f"*{CANARY}", f"- {CANARY}"])
def test_an_error_never_repeats_a_variable(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load([], {"PROTES_SERVER__SECRET_KEY": value})
    assert CANARY not in str(caught.value)
    assert "secret_key" in str(caught.value).lower()


def test_secrets_are_read_from_where_they_are_named(tmp_path: Path) -> None:
    file = config(tmp_path, f"{CANARY}\n", "token")
    by_name = Credentials(type="bearer", secret_env="TOKEN_OF_A")
    by_file = Credentials(type="basic", username="u", secret_file=str(file))
    for credentials in (by_name, by_file):
        secret = read_secret(credentials, {"TOKEN_OF_A": CANARY}, "instance a")
        assert secret is not None
        assert secret.get_secret_value() == CANARY
        assert CANARY not in repr(secret)
    assert read_secret(Credentials(), {}, "instance a") is None


@pytest.mark.parametrize("environ", [{}, {"TOKEN_OF_A": ""}])
def test_a_secret_that_is_not_there_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="instance a: the environment variable TOKEN_OF_A is not set"):
        read_secret(Credentials(type="bearer", secret_env="TOKEN_OF_A"), environ, "instance a")
    absent = str(tmp_path / "absent")
    with pytest.raises(ConfigError, match=r"instance a: .*absent cannot be read: No such file"):
        read_secret(Credentials(type="bearer", secret_file=absent), environ, "instance a")


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"type": "bearer"}, "exactly one of secret, secret_env and secret_file"),
        (
            {"type": "bearer", "secret_env": "A", "secret_file": "b"},
            "exactly one of secret, secret_env and secret_file",
        ),
        ({"type": "basic", "secret_env": "A"}, "basic needs a username"),
    ],
)
def test_credentials_are_whole(values: dict[str, str], wanted: str) -> None:
    with pytest.raises(ValidationError, match=wanted):
        Credentials.model_validate(values)


# The models


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not model:
                yield from sections(kind)


@pytest.mark.parametrize("section", sorted({*sections(Settings)}, key=str))
def test_every_section_is_frozen_closed_and_silent_about_values(section: type[BaseModel]) -> None:
    assert issubclass(section, Section)
    assert section.model_config["frozen"] is True
    assert section.model_config["extra"] == "forbid"
    assert section.model_config["hide_input_in_errors"] is True


def test_the_defaults_are_what_the_models_say() -> None:
    assert Settings.model_validate(Settings().model_dump()) == Settings()


@pytest.mark.parametrize("value", ["with a space and #1", "1234567890123456789", "null", "0x1F", "*x: [", "'quoted'"])
def test_a_secret_of_the_environment_is_taken_as_it_is(value: str) -> None:
    environ = {"PROTES_SERVER__OPERATOR_TOKEN": value, "PROTES_RUNNER__BROKER_URL": f" {value}\n"}
    assert from_environment(environ) == {"server": {"operator_token": value}, "runner": {"broker_url": value}}


def test_a_secret_of_the_environment_that_is_empty_is_none() -> None:
    assert from_environment({"PROTES_SERVER__OPERATOR_TOKEN": ""}) == {"server": {"operator_token": None}}


def test_what_is_several_secrets_or_none_is_yaml() -> None:
    environ = {"PROTES_SERVER__SECRET_KEY": "[a, b]", "PROTES_SERVER__PORT": "9", "PROTES_NO__SUCH": "1"}
    assert from_environment(environ) == {"server": {"secret_key": ["a", "b"], "port": 9}, "no": {"such": 1}}
