"""Offers that are remembered for a while."""

from datetime import timedelta

import pytest

from protes.clock import ManualClock
from protes.offers.store import KIND, StoredOffers
from protes.store.factory import create_stores

NOW = ManualClock().now()


@pytest.fixture(name="offers")
def _offers() -> StoredOffers:
    return StoredOffers(create_stores("memory:").records, 300)


def test_an_id_leads_to_its_instance_until_it_expires(offers: StoredOffers) -> None:
    ids, expires = offers.save("ada", ["site-a", "site-b"], NOW)
    assert expires == NOW + timedelta(seconds=300)
    assert [offers.instance_for(each, "ada", NOW) for each in ids] == ["site-a", "site-b"]
    assert offers.instance_for(ids[0], "ada", expires - timedelta(seconds=1)) == "site-a"
    with pytest.raises(ValueError, match="expired"):
        offers.instance_for(ids[0], "ada", expires)


def test_an_offer_is_its_owners(offers: StoredOffers) -> None:
    [one], _ = offers.save("ada", ["site-a"], NOW)
    for other in ("", "bob"):
        with pytest.raises(ValueError, match="no such offer"):
            offers.instance_for(one, other, NOW)


@pytest.mark.parametrize(
    "change", ["{0}-1", "{0}0", "-{0}", "{1}-0", "{1}-01", "{1}-3", "{1}-+1", "{1}-١", "{1}", "", "-"]
)
def test_what_was_not_saved_is_unknown(offers: StoredOffers, change: str) -> None:
    ids, _ = offers.save("", ["site-a", "site-b"], NOW)
    with pytest.raises(ValueError, match="ask for offers again"):
        offers.instance_for(change.format(ids[0], ids[0].rpartition("-")[0]), "", NOW)


def test_offers_of_one_dry_run_are_one_record_and_none_is_no_record() -> None:
    records = create_stores("memory:").records
    offers = StoredOffers(records, 300)
    assert offers.save("", [], NOW)[0] == []
    assert records.scan(KIND, "", NOW) == []
    ids, _ = offers.save("", [str(each) for each in range(1000)], NOW)
    assert (len(set(ids)), len(records.scan(KIND, "", NOW))) == (1000, 1)
    assert offers.instance_for(ids[-1], "", NOW) == "999"


def test_ids_fit_the_tag(offers: StoredOffers) -> None:
    ids, _ = offers.save("", [str(each) for each in range(1000)], NOW)
    assert max(map(len, ids)) <= 64
