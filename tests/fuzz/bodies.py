"""Bodies that are nearly right, which schemathesis seldom draws: they get past the first checks."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NASTY = st.sampled_from(
    [
        "", " ", "\x00", "a\r\nb: c", "\x1b[31m", "\u2028", "\u202e", "'", '"', "%", "_", "*", ".*", "$ne", "{}",
        "protes.weight", "../..", "https://[::1", "s3://b/%zz", "file:///etc/passwd", "\U0001f9ec" * 40, "x" * 5000,
        "1e400", "NaN", "0001-01-01T00:00:00Z", "urn:ga4gh:tes:1.1:task", "PT1H", "P99999999999D", "10 EUR",
    ]
)  # fmt: skip
TEXT = NASTY | st.text(max_size=12)
NUMBER = st.sampled_from([0, -1, 1, 0.5, 1e300, -1e300, 2**31, 2**63, 2**200, 1e-300]) | st.floats(
    allow_nan=False, allow_infinity=False
)
PATHS = TEXT.map("/".__add__)
MAPS = st.dictionaries(TEXT, TEXT, max_size=3)
JUNK = st.none() | st.booleans() | NUMBER | TEXT
ANYTHING = JUNK | st.lists(JUNK, max_size=2) | st.dictionaries(TEXT, JUNK, max_size=2)


def objects(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of which now and then one field is something else."""
    right = st.fixed_dictionaries(required, optional=optional)
    wrong = st.tuples(right, st.sampled_from([*required, *optional]), ANYTHING).map(
        lambda drawn: {**drawn[0], drawn[1]: drawn[2]}
    )
    return right | right | right | wrong


TAGS = MAPS | st.fixed_dictionaries(
    {},
    optional={
        f"protes.{name}": TEXT | st.sampled_from(["0.3", "cost", "[]", '["https://a.example/"]', "10 EUR", "60", "{}"])
        for name in ("weight", "value_of_time", "max_cost", "deadline_seconds", "runtime_seconds", "affinity",
                     "allowed_zones", "instances", "tes_urls", "service_registry_urls", "profile", "offer", "retries",
                     "callback_url")
    },
)  # fmt: skip
RESOURCES = objects(
    {},
    {
        "cpu_cores": NUMBER,
        "ram_gb": NUMBER,
        "disk_gb": NUMBER,
        "preemptible": st.booleans(),
        "zones": st.lists(TEXT, max_size=2),
        "backend_parameters": MAPS,
        "backend_parameters_strict": st.booleans(),
    },
)
URLS = TEXT.map("s3://bucket/".__add__) | TEXT.map("https://data.example.org/".__add__) | TEXT
TASKS = objects(
    {
        "executors": st.lists(
            objects(
                {"image": TEXT.map("i".__add__), "command": st.lists(TEXT, min_size=1, max_size=3)},
                {"env": MAPS, "workdir": PATHS, "stdin": PATHS, "stdout": PATHS, "ignore_error": st.booleans()},
            ),
            min_size=1,
            max_size=2,
        )
    },
    {
        "name": TEXT,
        "description": TEXT,
        "tags": TAGS,
        "volumes": st.lists(PATHS, max_size=2),
        "resources": RESOURCES,
        "inputs": st.lists(objects({"path": PATHS, "url": URLS}, {"content": TEXT, "name": TEXT}), max_size=2),
        "outputs": st.lists(objects({"path": PATHS, "url": URLS}, {"path_prefix": PATHS}), max_size=2),
        "id": TEXT,
        "logs": ANYTHING,
    },
)
SERVICES = objects(
    {
        "name": TEXT.map("n".__add__),
        "url": st.sampled_from(["http://127.0.0.1:9/", "http://127.0.0.1:9/%0d%0a", "http://[::1]:9/x"]) | TEXT,
        "type": st.just({"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"}),
        "organization": objects({"name": TEXT, "url": st.just("https://example.org")}, {}),
        "version": TEXT,
    },
    {"id": st.sampled_from(["one", "two"]) | TEXT, "description": TEXT, "protes": ANYTHING, "createdAt": TEXT},
)
REQUESTS = objects(
    {
        "executable": objects(
            {"kind": st.sampled_from(["urn:ga4gh:tes:1.1:task", "docker-container"]) | TEXT},
            {
                "task": TASKS,
                "image": TEXT | objects({"locations": st.lists(TEXT, max_size=2)}, {"digest": TEXT}),
                "entrypoint": TEXT,
                "command": st.lists(JUNK, max_size=3),
                "environment": st.dictionaries(TEXT, JUNK, max_size=2),
                "meta": objects({}, {"name": TEXT, "created": TEXT, "messages": ANYTHING, "options": ANYTHING}),
            },
        )
    },
    {
        "data": st.lists(objects({"kind": TEXT, "location": URLS}, {"meta": ANYTHING}), max_size=2),
        "compute": ANYTHING,
        "storage": ANYTHING,
        "schedule": objects({}, {"requested": objects({}, {"start": TEXT, "duration": TEXT})}),
        "costs": ANYTHING,
        "preferences": objects({}, {"cost_time_weight": NUMBER, "max_offers": NUMBER, "tes_urls": ANYTHING}),
    },
)
CANCEL = objects({}, {"ids": st.lists(TEXT, max_size=3), "tags": MAPS, "name_prefix": TEXT, "page_token": TEXT})
CONSENT = objects(
    {"type": st.sampled_from(["allow", "forbid"])},
    {"instances": st.lists(TEXT, max_size=2), "organizations": st.lists(TEXT), "zones": st.lists(TEXT)},
)
UPDATE = objects(
    {"kind": st.just("uri:enum-value-update"), "path": st.just("/phase"), "value": TEXT | st.just("ACCEPTED")}, {}
)

NEARLY_RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "/tasks": TASKS,
    "/offers": TASKS,
    "/tasks:create": st.lists(TASKS | ANYTHING, min_size=1, max_size=3),
    "/tasks:cancel": CANCEL,
    "/tasks/task-info": RESOURCES,
    "/services": SERVICES,
    "/services/{id}": SERVICES,
    "/me/instances": CONSENT,
    "/requests": REQUESTS,
    "/offersets": REQUESTS,
    "/direct": REQUESTS,
    "/sessions/{uuid}": UPDATE,
}
"""By path."""
