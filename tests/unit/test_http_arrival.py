"""How a request arrives: what is awaited, what is handed on, what takes too long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.http_arrival import Arrival, Bounds, Verdict

BOUNDS = Bounds(head_seconds=10, head_bytes=200, held_bytes=100, body_bytes_per_second=10, grace_seconds=5)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (b"", Verdict.MORE),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", Verdict.MORE),
        (GET, Verdict.READY),
        (GET + b"GET /", Verdict.READY),
        (POST, Verdict.READY),
        (POST[:-1], Verdict.MORE),
        (POST.replace(b"Content-Length: 5", b"content-LENGTH:5"), Verdict.READY),
        (POST.replace(b": 5", b": 101"), Verdict.LARGE),
        (POST.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked"), Verdict.LARGE),
        (POST.replace(b"Host: x", b"Expect: 100-continue"), Verdict.LARGE),
        (POST.replace(b"Host: x", b"Content-Length: 101"), Verdict.LARGE),
        (POST.replace(b": 5", b": five"), Verdict.READY),
        (b"x" * 201, Verdict.TOO_LARGE),
        (GET.replace(b"x", b"x" * 200), Verdict.TOO_LARGE),
    ],
)
def test_how_things_stand(data: bytes, verdict: Verdict) -> None:
    assert Arrival(BOUNDS, 0.0, data).verdict is verdict


@given(st.sampled_from([GET, POST, POST.replace(b": 5", b": 101")]), st.data())
def test_it_does_not_matter_in_what_pieces_it_comes(request: bytes, data: st.DataObject) -> None:
    arrival = Arrival(BOUNDS, 0.0)
    rest = request
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        arrival.add(rest[:size], 1.0)
        rest = rest[size:]
    assert arrival.data == request
    assert arrival.verdict is Arrival(BOUNDS, 0.0, request).verdict


def test_its_head_has_a_time_and_its_body_another_by_its_length() -> None:
    arrival = Arrival(BOUNDS, 100.0)
    assert arrival.deadline == 110.0
    arrival.add(POST.replace(b": 5", b": 50"), 109.0)
    assert arrival.verdict is Verdict.MORE
    assert arrival.deadline == 109.0 + 5 + 50 / 10
