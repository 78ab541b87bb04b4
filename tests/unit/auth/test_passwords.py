"""The file of users, and what checking a password costs."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from protes.api.callers import Caller
from protes.auth import basic as module
from protes.auth.basic import Busy, Passwords, WrongPassword
from protes.auth.passwords import User, hash_password, is_password, read_users
from protes.config.loading import ConfigError
from tests.support.auth import basic
from tests.support.waiting import at_once, wait_until

USER = frozenset({"user"})
HASHED = hash_password("swordfish")
ANN = User(Caller("ann", roles=USER), HASHED)


def credential(user: str, password: str) -> str:
    return basic(user, password)["Authorization"].partition(" ")[2]


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    return tmp_path / "users"


def test_lines(file: Path) -> None:
    lines = [
        "# name:hash[:tenant[:groups[:roles]]]",
        "",
        f"ann:{HASHED}",
        f"  bob@uni.example:{HASHED}:uni  ",
        f"c.d-e_f:{HASHED}::a,b, c,",
        f"eve:{HASHED}:::reader,user",
        f"ada:{HASHED}:t:g:operator",
    ]
    file.write_text("\r\n".join(lines))
    users = {name: user.caller for name, user in read_users(file).items()}
    assert users == {
        "ann": Caller("ann", "", frozenset(), USER),
        "bob@uni.example": Caller("bob@uni.example", "uni", frozenset(), USER),
        "c.d-e_f": Caller("c.d-e_f", "", frozenset({"a", "b", "c"}), USER),
        "eve": Caller("eve", "", frozenset(), frozenset({"reader", "user"})),
        "ada": Caller("ada", "t", frozenset({"g"}), frozenset({"operator"})),
    }
    assert HASHED not in repr(read_users(file))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("ann:canary", "line 1"),
        ("ann", "line 1"),
        (f"# x\n\n:{HASHED}", "line 3"),
        (f"operator:{HASHED}", "operator"),
        (f"a b:{HASHED}", "letters"),
        (f"-ann:{HASHED}", "letters"),
        (f"ann:{HASHED}:t:g:boss", "roles are"),
        (f"ann:{HASHED}:t:g:user:more", "line 1"),
        (f"ann:{HASHED}\nann:{HASHED}", "line 2: this user is there already"),
        (f"ann:{HASHED[:-1]}", "line 1"),
        (f"ann:{HASHED.replace('32768', '1024')}", "line 1"),
        (f"ann:pbkdf2:sha256:1000$abcdefgh${'0' * 64}", "line 1"),
        ("ann:$2b$12$canary", "line 1"),
        ("", "no users"),
        ("# nobody", "no users"),
        ("\xff".encode("latin1"), "no text"),
        (b"#" * 5_000_000, "larger"),
    ],
)
def test_files_that_cannot_be_used(file: Path, text: str | bytes, what: str) -> None:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=r"custom\.auth\.users_file") as caught:
        read_users(file)
    assert what in str(caught.value)
    assert "canary" not in str(caught.value)
    assert HASHED[20:] not in str(caught.value)


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_users(file)


@pytest.mark.parametrize("password", ["", "x" * 1025, "ä" * 513, "a\nb", "a\x7f"])
def test_passwords_that_cannot_be(password: str) -> None:
    with pytest.raises(ValueError, match="a password has"):
        hash_password(password)


@pytest.mark.parametrize("password", [" a:b ", "pässwörd ☃", "x" * 1024])
def test_passwords_that_can(password: str) -> None:
    user = User(Caller("ann"), hash_password(password))
    assert is_password(user, password)
    assert Passwords({"ann": user}).caller_of(credential("ann", password)).subject == "ann"


def test_hashes_are_salted() -> None:
    assert hash_password("swordfish") != hash_password("swordfish")


def test_a_right_password_is_hashed_once() -> None:
    counting = Counting({"ann": ANN})
    passwords = Passwords(counting)
    for _ in range(50):
        assert passwords.caller_of(credential("ann", "swordfish")).subject == "ann"
    assert counting.asked == ["ann"]


def test_a_wrong_password_that_is_repeated_is_hashed_once() -> None:
    counting = Counting({"ann": ANN})
    passwords = Passwords(counting)
    for _ in range(50):
        with pytest.raises(WrongPassword):
            passwords.caller_of(credential("ann", "wrong"))
    assert counting.asked == ["ann"]
    assert passwords.caller_of(credential("ann", "swordfish"))


def test_an_unknown_name_takes_as_long_as_a_known_one() -> None:
    passwords = Passwords({"ann": ANN})

    def fastest(user: str) -> float:
        times = []
        for number in range(3):
            began = time.thread_time()
            with pytest.raises(WrongPassword):
                passwords.caller_of(credential(user, f"{user}{number}"))
            times.append(time.thread_time() - began)
        return min(times)

    known, unknown = fastest("ann"), fastest("bob")
    assert 0.25 < known / unknown < 4  # without a hash of its own it would be thousands


def test_a_crowd_that_guesses_does_not_keep_out_who_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.05)
    gate, inside = threading.Event(), threading.Semaphore(0)

    class Slow(Counting):
        def get(self, name: str, default: Any = None) -> Any:
            if name.startswith("guess"):
                inside.release()
                assert gate.wait(30)
            return super().get(name, default)

    passwords = Passwords(Slow({"ann": ANN}))
    passwords.caller_of(credential("ann", "swordfish"))
    guessing = [threading.Thread(target=_guess, args=(passwords, f"guess{number}")) for number in range(2)]
    for thread in guessing:
        thread.start()
    for _ in guessing:
        assert inside.acquire(timeout=30)
    assert passwords.caller_of(credential("ann", "swordfish")).subject == "ann"
    with pytest.raises(Busy):
        passwords.caller_of(credential("bob", "x"))
    gate.set()
    for thread in guessing:
        thread.join(30)


def test_a_crowd_that_guesses_does_not_hold_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 60.0)
    gate = threading.Event()

    class Slow(Counting):
        def get(self, name: str, default: Any = None) -> Any:
            assert gate.wait(30)
            return super().get(name, default)

    passwords = Passwords(Slow({"ann": ANN}), 4)
    most = module._AT_ONCE + 4
    guessing = [threading.Thread(target=_guess, args=(passwords, f"guess{number}")) for number in range(most)]
    # Of one credential any number may wait: it is one hash, and there is a turn for it already.
    guessing += [threading.Thread(target=_guess, args=(passwords, f"guess{most - 1}")) for _ in range(3)]
    for number, thread in enumerate(guessing):
        thread.start()
        expected = max(0, min(number + 1, most) - module._AT_ONCE)
        wait_until(lambda expected=expected: len(passwords._waiting) == expected, "it waits", 30)  # type: ignore[misc]
    with pytest.raises(Busy):  # at once
        passwords.caller_of(credential("ann", "swordfish"))
    gate.set()
    for thread in guessing:
        thread.join(60)
    assert passwords.caller_of(credential("ann", "swordfish")).subject == "ann"
    assert not passwords._waiting


def test_many_at_once_are_told_apart() -> None:
    passwords = Passwords({"ann": ANN, "bob": User(Caller("bob", roles=USER), HASHED)})
    calls = [
        lambda name=name: passwords.caller_of(credential(name, "swordfish")).subject for name in ["ann", "bob"] * 8
    ]
    assert at_once(calls, 60) == ["ann", "bob"] * 8


class Counting(dict[str, User]):
    """Users, with a note of which were looked up: each time for one hash."""

    def __init__(self, users: dict[str, User]) -> None:
        super().__init__(users)
        self.asked: list[str] = []

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.append(name)
        return super().get(name, default)


def _guess(passwords: Passwords, name: str) -> None:
    with pytest.raises(WrongPassword):
        passwords.caller_of(credential(name, "x"))
