"""Settings of what clients are told without asking: the event stream, and webhooks (docs/events.md)."""

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from protes.config.base import Seconds, Section
from protes.config.keys import SecretKeys

_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?|\[[0-9a-f:.]+\](:[0-9]{1,5})?")


class EventSettings(Section):
    """The event stream, and webhooks: POSTs to the URL in a task's tag `protes.callback_url`."""

    keep_seconds: Seconds = Field(
        86400.0, description="How long events are kept, for clients that come back; then these must list anew."
    )
    connection_seconds: Seconds = Field(
        900.0, description="A stream is ended after this; the client goes on with a new one from where it was."
    )
    callback_hosts: tuple[str, ...] = Field(
        (),
        description="Hosts that webhooks may go to: `hooks.example.org`, `*.example.org` for all below it, with a port "
        "where it is not the scheme's own. None by default: then no task may have the tag.",
    )
    callback_http: bool = Field(False, description="Let webhooks go to `http://` URLs, too, which anybody can read.")
    callback_private: bool = Field(
        False, description="Let webhooks go to private addresses, such as those of one's own network."
    )
    callback_states: Literal["all", "final"] = Field(
        "all", description="`all` changes of state are sent, or the `final` one only."
    )
    callback_keys: SecretKeys = Field(
        (),
        description="Key, or list of keys, that webhooks are signed with: 32 random bytes in base64 each. All of them "
        "sign, so that receivers can change over. Needed with `callback_hosts`.",
    )
    callback_keys_file: str | None = Field(
        None, description="File with such keys, one a line, in place of `callback_keys`; read again with the settings."
    )
    callback_give_up_after_seconds: Seconds = Field(
        86400.0, description="A webhook that nobody took by then is dropped."
    )
    callback_seconds: Seconds = Field(10.0, le=30, description="Time that a receiver has to answer.")
    callback_first_retry_seconds: Seconds = Field(
        2.0, description="First pause before another try; then twice as long."
    )
    callback_last_retry_seconds: Seconds = Field(900.0, description="Longest pause between tries.")
    callbacks_per_host: int = Field(2, ge=1, le=64, description="Webhooks to one host at once, per process.")

    @field_validator("callback_hosts")
    @classmethod
    def _are_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        lowered = tuple(host.lower() for host in hosts)
        if not all(_HOST.fullmatch(host) for host in lowered):
            raise ValueError("must be names of hosts, such as hooks.example.org, *.example.org or localhost:8000")
        return lowered

    @model_validator(mode="after")
    def _have_keys(self) -> "EventSettings":
        if self.callback_keys and self.callback_keys_file is not None:
            raise ValueError("give at most one of callback_keys and callback_keys_file")
        if self.callback_hosts and not self.callback_keys and self.callback_keys_file is None:
            raise ValueError("callback_hosts need callback_keys or callback_keys_file, to sign with")
        return self
