"""Configuration files that may change while the gateway runs: read again, and looked at (docs/reload.md)."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from protes.config.loading import ConfigError, Loaded, load
from protes.config.references import referenced_files
from protes.config.settings import Settings

_Stamp = tuple[int, int, int] | None
"""What tells one content of a file from the next: when it was written, its size, its inode; None for no file."""


class ConfigFiles:
    """The files of a configuration, with what stands above them: environment and command line.

    Files that hold secrets are looked at too. Symbolic links are followed, so that a file that is swapped under its
    name counts as changed. Used by one thread; in a process forked after `load` it goes on from there.
    """

    def __init__(
        self, files: Sequence[Path | str], environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None
    ) -> None:
        """Name the files; nothing is read yet. The arguments are those of `protes.config.loading.load`."""
        self.files = tuple(Path(file) for file in files)
        self._environ = environ
        self._overrides = overrides
        self._watched = self.files
        self._read: Mapping[Path, _Stamp] | None = None
        self._seen: Mapping[Path, _Stamp] | None = None
        self._loaded = False

    def load(self) -> Loaded:
        """Read the files as they are now.

        Raises:
            ConfigError: see `protes.config.loading.load`.
        """
        self._refuse_spent()
        # First the stamps: what is written while the files are read counts as changed.
        self._read = self._seen = self._stamps()
        loaded = load(self.files, self._environ, self._overrides)
        self._watched = (*self.files, *_secret_files(loaded.settings), *loaded.secret_files)
        self._read = self._seen = {**self._stamps(), **{file: self._read[file] for file in self.files}}
        self._loaded = True
        return loaded

    def changed(self) -> bool:
        """Tell whether a file has changed since it was read, but not since the last look: it may be half written."""
        stamps, before = self._stamps(), self._seen
        self._seen = stamps
        return stamps != self._read and stamps == before

    def forget(self) -> None:
        """Have the files count as changed, so that they are read again."""
        self._read = None

    def _refuse_spent(self) -> None:
        """A pipe has given all it had the first time; what is left would be a configuration of nothing."""
        spent = [file for file in self.files if self._loaded and file.exists() and not file.is_file()]
        if spent:
            raise ConfigError(f"file '{spent[0]}' is no regular file, so it cannot be read a second time")

    def _stamps(self) -> dict[Path, _Stamp]:
        return {file: _stamp(file) for file in self._watched}


def _stamp(file: Path) -> _Stamp:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _secret_files(settings: Settings) -> Iterator[Path]:
    """Yield the files that credentials name, that of the keys, and that of the users."""
    if settings.auth.users_file is not None:
        yield Path(settings.auth.users_file)
    if settings.server.secret_key_file is not None:
        yield Path(settings.server.secret_key_file)
    for each in (*(instance.credentials for instance in settings.instances), *settings.credentials.values()):
        if each.secret_file is not None:
            yield Path(each.secret_file)
    yield from map(Path, referenced_files(settings))
    yield from map(Path, _certificates(settings))


def _certificates(settings: Settings) -> Iterator[str]:
    """Yield the files that servers are checked with, and those that the gateway shows them."""
    credentials = (*(each.credentials for each in settings.instances), *settings.credentials.values())
    servers = (*(each.tls for each in settings.instances), *settings.registries, *settings.sources.drs_servers)
    named = [settings.outbound.ca_file, *(each.token_ca_file for each in credentials)]
    for each in servers:
        named += [each.ca_file, each.client_cert_file, each.client_key_file]
    yield from dict.fromkeys(name for name in named if name is not None)
