"""The law of `after_prefix`: a range that is exactly the prefix."""

from hypothesis import given
from hypothesis import strategies as st

from protes.store.prefixes import after_prefix

# Few characters, and those at the borders, so that prefixes do occur.
texts = st.text(st.sampled_from("ab\x00\x7f\x80\ud7ff\ue000\uffff\U00010000\U0010ffff"), max_size=4)


@given(texts, texts)
def test_the_range_is_the_prefix(prefix: str, text: str) -> None:
    end = after_prefix(prefix)
    inside = prefix <= text and (end is None or text < end)
    assert inside == text.startswith(prefix)


@given(texts, texts)
def test_the_range_is_the_same_among_bytes(prefix: str, text: str) -> None:
    end = after_prefix(prefix)
    inside = prefix.encode() <= text.encode() and (end is None or text.encode() < end.encode())
    assert inside == text.startswith(prefix)
