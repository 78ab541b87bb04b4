"""How many threads there should be."""

from itertools import product

import pytest

from protes.runner.elastic import LONG_SECONDS, Crew, hanging, next_hanging


@pytest.mark.parametrize(
    ("crew", "missing"),
    [
        (Crew(size=4, threads=4, free=0, waiting=9, hanging=0), 0),
        (Crew(size=4, threads=4, free=0, waiting=9, hanging=3), 3),
        (Crew(size=4, threads=6, free=0, waiting=9, hanging=3), 1),
        (Crew(size=4, threads=4, free=0, waiting=1, hanging=4), 1),
        (Crew(size=4, threads=4, free=1, waiting=1, hanging=3), 0),
        (Crew(size=4, threads=14, free=0, waiting=9, hanging=14), 2),
        (Crew(size=4, threads=4, free=0, waiting=0, hanging=4), 0),
    ],
)
def test_each_job_that_hangs_is_made_up_for_where_jobs_wait(crew: Crew, missing: int) -> None:
    assert crew.missing == missing


@pytest.mark.parametrize(
    ("crew", "surplus"),
    [
        (Crew(size=2, threads=2, free=2, waiting=0, hanging=0), False),
        (Crew(size=2, threads=3, free=1, waiting=0, hanging=2), True),
        (Crew(size=2, threads=3, free=1, waiting=5, hanging=1), False),
        (Crew(size=2, threads=4, free=1, waiting=5, hanging=1), True),
    ],
)
def test_a_thread_ends_where_nothing_waits_or_fewer_jobs_hang(crew: Crew, surplus: bool) -> None:
    assert crew.has_surplus is surplus


def test_no_thread_is_started_to_end_at_once_and_none_beyond_the_bound() -> None:
    for size, extra, busy, waiting in product(range(1, 4), range(10), range(6), range(6)):
        threads = size + extra
        for slow in range(min(busy, threads) + 1):
            crew = Crew(size, threads, threads - min(busy, threads), waiting, slow)
            started = Crew(size, threads + crew.missing, crew.free + crew.missing, waiting, slow)
            assert started.missing == 0
            if crew.missing:
                assert crew.is_short
                assert not started.has_surplus
                assert started.threads <= 4 * size


def test_a_job_hangs_after_a_second() -> None:
    assert LONG_SECONDS == 1
    assert hanging([0.0, 9.0, 9.1, 10.0], 10.0) == 2
    assert next_hanging([0.0, 9.1, 9.5], 10.0) == pytest.approx(0.1)
    assert next_hanging([], 10.0) == next_hanging([0.0], 10.0) == 1
    assert next_hanging([9.0 + 1e-12], 10.0) == 0.01
