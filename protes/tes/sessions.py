"""Sessions as transports use them: nothing of the environment, no cookies, no redirects, nothing sent twice."""

import logging
import ssl
from http.cookiejar import DefaultCookiePolicy

import requests

from protes.outbound.wire import DeadlineAdapter
from protes.tes.error_mapping import LIBRARY_ERRORS
from protes.tes.urls import SCHEMES

_log = logging.getLogger(__name__)

CHUNK_BYTES = 64 * 1024
"""How much of a body is read at a time."""


class _Session(requests.Session):
    """A session that leaves redirects alone: told not to follow, requests would still read their bodies, uncapped."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        del resp
        return None


def new_session(pool_size: int, tls: ssl.SSLContext) -> requests.Session:
    """Return a session that keeps up to `pool_size` idle connections; certificates are checked as `tls` says."""
    session = _Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in SCHEMES:
        session.mount(f"{scheme}://", DeadlineAdapter(pool_size, tls))
    return session


def error_body(response: requests.Response) -> bytes:
    """Return the beginning of an error's body: the status has said what matters, so nothing in the body can fail."""
    body = bytearray()
    try:
        for chunk in response.iter_content(CHUNK_BYTES):
            body += chunk
            if len(body) >= CHUNK_BYTES:
                break
    except LIBRARY_ERRORS as error:
        _log.debug("the body of a %s ended early: %s", response.status_code, type(error).__name__)
    return bytes(body)
