"""Take a changed configuration over while the gateway runs, wholly or not at all (docs/reload.md)."""

import logging
import os
import threading
from collections.abc import Callable, Sequence

from middleware import MiddlewareConfigError
from protes.clock import Clock
from protes.config.comparing import changed_beside, changed_sections, keep_fixed
from protes.config.loading import ConfigError, Loaded
from protes.config.settings import Settings
from protes.config.watching import ConfigFiles
from protes.store.protocols import StoreError

logger = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS = 0.5
_STOP_SECONDS = 10.0


class Trigger:
    """An operator's wish for a reload; may be expressed in a signal handler, which must take no lock."""

    def __init__(self) -> None:
        """Start without a wish."""
        self._asked = False

    def ask(self) -> None:
        """Wish for a reload soon; several wishes may be granted by one."""
        self._asked = True

    def take(self) -> bool:
        """Tell whether there was a wish since the last call."""
        asked, self._asked = self._asked, False
        return asked


class Reloader:
    """Looks after the configuration of this process, in a thread of its own.

    Every process of a gateway has one and takes a change over by itself, all within about a second.
    """

    def __init__(
        self,
        loaded: Loaded,
        files: ConfigFiles,
        trigger: Trigger,
        replace: Callable[[Settings], None],
        tidy: Callable[[], None],
        clock: Clock,
    ) -> None:
        """Look after the configuration.

        Args:
            loaded: the one in use.
            files: where they were read.
            trigger: the operator's wish to read them again, whether changed or not.
            replace: makes everything of new settings and puts it in the place of the old; where it raises, nothing has
                changed.
            tidy: closes what was replaced and is not used any more.
            clock: the clock.
        """
        self._started_with = loaded.foca
        self._settings = loaded.settings
        self._files = files
        self._trigger = trigger
        self._replace = replace
        self._tidy = tidy
        self._clock = clock
        self._look_at = clock.monotonic() + loaded.settings.reload.watch_seconds
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look; once, after fork."""
        self._thread = threading.Thread(target=self._run, name="protes-reload", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more; a reload under way is waited for."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    def look(self) -> None:
        """Reload where somebody wishes it, or where a file has changed and the time to look has come."""
        now = self._clock.monotonic()
        if self._trigger.take():
            self._reload()
        elif self._settings.reload.watch and now >= self._look_at:
            self._look_at = now + self._settings.reload.watch_seconds
            if self._files.changed():
                self._reload()
        self._tidy()

    def _run(self) -> None:
        while not self._clock.wait(self._stopping, min(self._settings.reload.watch_seconds, _LONGEST_PAUSE_SECONDS)):
            self.look()

    def _reload(self) -> None:
        try:
            loaded = self._files.load()
            settings, dropped = keep_fixed(self._settings, loaded.settings)
            self._replace(settings)
        except (ConfigError, MiddlewareConfigError) as error:
            self._refuse(str(error))
        except StoreError as error:
            self._files.forget()  # it is not the files that are bad
            self._refuse(str(error))
        except (Exception, SystemExit) as error:  # noqa: BLE001
            # Whatever a file or a plug-in does, the gateway goes on. No text: it may repeat a secret.
            self._refuse(f"it failed with {type(error).__name__}")
        else:
            changed = changed_sections(self._settings, settings)
            self._settings = settings
            _tell(changed, (*changed_beside(self._started_with, loaded.foca), *dropped))

    def _refuse(self, why: str) -> None:
        files = ", ".join(str(file) for file in self._files.files)
        line = " ".join(why.split())
        logger.error("process %d refused the configuration in %s and keeps the old one: %s", os.getpid(), files, line)


def _tell(changed: Sequence[str], waiting: Sequence[str]) -> None:
    what = ", ".join(changed) or "no setting, but secrets were read again"
    logger.info("process %d has taken the configuration over; changed: %s", os.getpid(), what)
    if waiting:
        logger.warning("a restart is needed for what is new in %s; until then the old values stay", ", ".join(waiting))
