"""The files that a configuration names, read as a gateway would read them when it starts."""

from pathlib import Path

from protes.auth.passwords import read_users
from protes.config.loading import broker_url, callback_keys, metrics_token, secret_keys, store_url
from protes.config.settings import Settings


def read_files(settings: Settings) -> None:
    """Refuse what a gateway would refuse of the file of users, and of files of secrets that are on this machine.

    Secrets are often put beside a configuration only where it is used: of a file that is not here nothing is said. The
    users have to be there.

    Raises:
        ConfigError: there is something wrong with one; the text names the setting and shows nothing of the file.
    """
    if settings.auth.takes_basic and settings.auth.users_file is not None:
        read_users(Path(settings.auth.users_file))
    server, events, runner, metrics, store = (
        settings.server,
        settings.events,
        settings.runner,
        settings.metrics,
        settings.store,
    )
    if _is_here(server.secret_key_file):
        secret_keys(server)
    if _is_here(events.callback_keys_file):
        callback_keys(events)
    if _is_here(metrics.token_file):
        metrics_token(metrics)
    if _is_here(runner.broker_url_file):
        broker_url(runner)
    if _is_here(store.url_file):
        store_url(store)


def _is_here(file: str | None) -> bool:
    return file is not None and Path(file).exists()
