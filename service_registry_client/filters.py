"""Services of a kind out of a registry's list."""

from __future__ import annotations

import re
from collections.abc import Iterable

from service_registry_client.models import ExternalService, ServiceType, Verification

GA4GH_GROUP = "org.ga4gh"
_VERSION = re.compile(r"v?(\d+)(?:\.\d+)*", re.IGNORECASE)


def filter_services(
    services: Iterable[ExternalService],
    *,
    group: str | None = None,
    artifact: str | None = None,
    version: str | None = None,
) -> tuple[ExternalService, ...]:
    """The services whose type fits, in the order given; what is None is not looked at.

    Args:
        services: Any services.
        group: Compared without regard to case; an entry without a group counts as `org.ga4gh`.
        artifact: Compared without regard to case.
        version: The version of the API that the caller speaks. What services say about theirs is unreliable, so only a
            known major version greater than the caller's is refused; a version that cannot be read counts as fitting.

    Raises:
        ValueError: `version` does not start with a number.
    """
    major = None if version is None else _major(version)
    if version is not None and major is None:
        raise ValueError("version must start with a number, as 1 or 1.1.0 do")
    return tuple(service for service in services if _fits(service.type, group, artifact, major))


def verified_services(
    services: Iterable[ExternalService], verifications: Iterable[Verification]
) -> tuple[ExternalService, ...]:
    """The services that one of the verifications vouches for, in the order given.

    One does if it has the service's URL in normalised form and its type: group and artifact without regard to case, a
    missing group counting as `org.ga4gh`; the version as text.
    """
    verified = {(each.url, *_comparable(each.type)) for each in verifications}
    return tuple(service for service in services if (service.url, *_comparable(service.type)) in verified)


def _comparable(kind: ServiceType) -> tuple[str, str, str | None]:
    return (kind.group or GA4GH_GROUP).casefold(), kind.artifact.casefold(), kind.version


def _fits(kind: ServiceType, group: str | None, artifact: str | None, major: int | None) -> bool:
    if group is not None and (kind.group or GA4GH_GROUP).casefold() != group.strip().casefold():
        return False
    if artifact is not None and kind.artifact.casefold() != artifact.strip().casefold():
        return False
    known = _major(kind.version or "")
    return major is None or known is None or known <= major


def _major(version: str) -> int | None:
    """The first number of a version such as `1`, `v1.0` or `1.1.0-rc1`; None if it does not start with one."""
    match = _VERSION.match(version.strip())
    # Nobody counts this far: so many digits are a date or a build, and int() refuses thousands of them.
    return int(match[1]) if match and len(match[1]) <= 9 else None
