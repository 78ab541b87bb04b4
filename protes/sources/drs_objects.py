"""What is read from a `DrsObject`, where every field may be missing or something else (GA4GH DRS 1.2 to 1.5)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from middleware import Replica
from protes.sources.drs_uris import is_text

_LARGEST = 2**63
_MOST_METHODS = 64
_DEEPEST = 4
_MOST_CONTENTS = 10_000
_LONGEST_ACCESS_ID = 1024
_LONGEST_URL = 8192
_REGION = re.compile(r"[A-Za-z0-9-]{1,64}(:[A-Za-z0-9-]{1,64})?")
_CLOUDS = {"s3": "aws", "gs": "gcp"}
"""Clouds by the type of an access method that names only its region."""


def usable_methods(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The access methods that can give a URL without headers, which TES has no place for."""
    listed = document.get("access_methods")
    found = [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    return [each for each in found if plain_url(each.get("access_url")) or access_id_of(each)][:_MOST_METHODS]


def access_id_of(method: Mapping[str, Any]) -> str | None:
    """The access id of a method, None where it has none that can be sent."""
    value = method.get("access_id")
    usable = isinstance(value, str) and 0 < len(value) <= _LONGEST_ACCESS_ID and is_text(value)
    return value if usable else None


def plain_url(access_url: object) -> str | None:
    """The URL of a DRS `AccessURL`; None where it needs headers, or is none."""
    if not isinstance(access_url, Mapping) or not isinstance(access_url.get("url"), str):
        return None
    headers = access_url.get("headers")
    if isinstance(headers, list) and any(isinstance(each, str) and ":" in each for each in headers):
        return None
    url: str = access_url["url"]
    if len(url) > _LONGEST_URL or not is_text(url):
        return None
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        return None
    return url if scheme and scheme.lower() != "drs" else None


def scheme_by(method: Mapping[str, Any]) -> str:
    """The scheme by which a method is read: of its URL, else its type."""
    url = plain_url(method.get("access_url"))
    return (url.partition(":")[0] if url is not None else str(method.get("type", ""))).lower()


def gives(method: Mapping[str, Any], replica: Replica) -> bool:
    """Tell whether a replica was read from this method."""
    if replica.access_id is not None:
        return method.get("access_id") == replica.access_id
    return plain_url(method.get("access_url")) == replica.url


def zone_of(method: Mapping[str, Any]) -> str | None:
    """`cloud:region` of an access method (DRS 1.5 `cloud`), or by its type."""
    region, cloud = method.get("region"), method.get("cloud")
    if not isinstance(region, str) or not _REGION.fullmatch(region):
        return None
    if ":" in region:
        return region
    named = isinstance(cloud, str) and _REGION.fullmatch(cloud) and ":" not in cloud
    known = cloud if named else _CLOUDS.get(str(method.get("type")))
    return f"{known}:{region}" if known else None


def size_of(value: object) -> int | None:
    """A size in bytes, which some servers write as text; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 and int(text) < _LARGEST else None


def contents_size(contents: object) -> int | None:
    """The sum of a bundle's parts; None where one of them is not known."""
    sizes: list[int] = []
    for each in _parts(contents, 0):
        size = size_of(each.get("size"))
        if size is None or len(sizes) >= _MOST_CONTENTS:
            return None
        sizes.append(size)
    return sum(sizes) if sizes else None


def _parts(contents: object, depth: int) -> Iterator[Mapping[str, Any]]:
    for each in contents if isinstance(contents, list) else ():
        if not isinstance(each, Mapping):
            yield {}
        elif each.get("contents") and depth < _DEEPEST:
            yield from _parts(each["contents"], depth + 1)
        else:
            yield each
