"""The users of a file, with their passwords as scrypt has hashed them (RFC 7914), one a line.

    # name:hash[:tenant[:groups[:roles]]]
    ann:scrypt:32768:8:1$pYx...$9f3c...:biobank:imaging,genomics
    eve:scrypt:32768:8:1$Q0c...$17aa...:::reader

Groups and roles are lists with commas between; the roles are `operator`, `reader` and `user`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from werkzeug.security import check_password_hash, generate_password_hash

from protes.api.callers import OPERATOR, READER, ROLES, USER, Caller
from protes.config.loading import ConfigError

LONGEST_PASSWORD = 1024
_LARGEST_FILE = 4 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}", re.ASCII)
_LINE = re.compile(
    r"([^:]+):(scrypt:32768:8:1\$[A-Za-z0-9]{8,64}\$[0-9a-f]{128})"
    r"(?::([^:]*))?(?::([^:]*))?(?::([^:]*))?",
    re.ASCII,
)
_METHOD = "scrypt:32768:8:1"
"""For all: a hash that is dearer or cheaper than that of an unknown user would tell which names there are."""
_NOBODYS = f"{_METHOD}${'0' * 16}${'0' * 128}"
"""What the password of an unknown user is compared with: it takes as long, and fits nothing."""
_RESERVED = (OPERATOR,)  # whoever shows the operator's token goes by this name


@dataclass(frozen=True, slots=True)
class User:
    """A user of the file.

    Attributes:
        caller: who it is, with what the file says of them.
        hash: their password, hashed.
    """

    caller: Caller
    hash: str = field(repr=False)


def hash_password(password: str) -> str:
    """Hash a password with a salt of its own.

    Raises:
        ValueError: it is empty, longer than can be sent, or has characters that a header cannot carry.
    """
    if not 0 < len(password.encode()) <= LONGEST_PASSWORD:
        raise ValueError(f"a password has 1 to {LONGEST_PASSWORD} bytes")
    if not password.isprintable():
        raise ValueError("a password has no control characters")
    return generate_password_hash(password, _METHOD)


def is_name(name: str) -> bool:
    """Tell whether a user may have this name."""
    return _NAME.fullmatch(name) is not None and name not in _RESERVED


def is_password(user: User | None, password: str) -> bool:
    """Tell whether a password is a user's; takes as long for nobody's."""
    right = check_password_hash(user.hash if user is not None else _NOBODYS, password)
    return right and user is not None


def read_users(file: Path) -> Mapping[str, User]:
    """Return the users of a file, by name.

    Raises:
        ConfigError: it cannot be read, or a line of it is wrong; the text says which line, and shows nothing of it.
    """
    where = f"custom.auth.users_file: {file}"
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise ConfigError(f"{where} is larger than {_LARGEST_FILE} bytes")
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{where} is no text") from None
    except OSError as problem:
        raise ConfigError(f"{where} cannot be read: {problem.strerror}") from None
    users: dict[str, User] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            name, user = _user(line.strip())
        except ValueError as problem:
            raise ConfigError(f"{where}: line {number}: {problem}") from None
        if name in users:
            raise ConfigError(f"{where}: line {number}: this user is there already")
        users[name] = user
    if not users:
        raise ConfigError(f"{where} has no users")
    return users


def _user(line: str) -> tuple[str, User]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError("must be name:hash[:tenant[:groups[:roles]]], with a hash that `protes hash-password` made")
    name, hashed = found[1], found[2]
    if not is_name(name):
        raise ValueError(f"a name has letters, digits and ._@- only, and is not {OPERATOR}")
    groups = frozenset(filter(None, (each.strip() for each in (found[4] or "").split(","))))
    roles = frozenset(filter(None, (each.strip() for each in (found[5] or "").split(",")))) or frozenset({USER})
    unknown = roles - set(ROLES)
    if unknown:
        raise ValueError(f"roles are {OPERATOR}, {READER} and {USER}")
    return name, User(Caller(name, (found[3] or "").strip(), groups, roles), hashed)
