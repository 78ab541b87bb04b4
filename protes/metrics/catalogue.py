"""All metrics. `docs/metrics.md` lists them, and a test keeps the two equal.

Labels have few values: routes are templates, never paths; instances that are none of the federation, or are beyond
`metrics.most_instances`, count as `other`; nothing that a client wrote is ever one.
"""

from protes.metrics.port import LONG_SECONDS, RATIOS, SECONDS, Metric

NO_INSTANCE = "none"
"""The instance of a task that ended without one."""
OTHER = "other"
"""Instances without series of their own: brought along by tasks, or too many."""

# Requests

REQUESTS = Metric(
    "protes_http_requests_total",
    "counter",
    "Requests answered, by method, route and status.",
    ("method", "route", "status"),
)
REQUEST_SECONDS = Metric(
    "protes_http_request_seconds",
    "histogram",
    "Time until a request was answered; requests that wait for a change (Prefer: wait) are left out.",
    ("method", "route"),
    SECONDS,
)
REQUESTS_NOW = Metric("protes_http_requests_in_progress", "gauge", "Requests that are being answered now.")

# Tasks

CREATED = Metric("protes_tasks_created_total", "counter", "Tasks stored.")
FINISHED = Metric(
    "protes_tasks_finished_total",
    "counter",
    "Tasks that have ended, by the instance that decided it (none: they never reached one) and state.",
    ("instance", "state"),
)
TASK_SECONDS = Metric(
    "protes_task_seconds", "histogram", "Time from the creation of a task to its end.", ("state",), LONG_SECONDS
)
DISPATCH_SECONDS = Metric(
    "protes_dispatch_seconds",
    "histogram",
    "Time from the creation of a task, or from its last failure that is retried, until an instance had accepted it.",
    ("instance",),
    LONG_SECONDS,
)
ATTEMPTS = Metric(
    "protes_attempts_total",
    "counter",
    "Attempts to forward a task, by what became of the POST: accepted, rejected, unknown.",
    ("instance", "outcome"),
)
WITHDRAWN = Metric("protes_withdrawals_total", "counter", "Tasks taken back since they did not start.", ("instance",))
RELAY_SECONDS = Metric(
    "protes_relay_delay_seconds",
    "histogram",
    "Time from the end of a task at its instance, by that one's clock, until the gateway showed it.",
    ("instance",),
    LONG_SECONDS,
)
UNFINISHED = Metric(
    "protes_tasks_unfinished", "gauge", "Tasks that have not ended; read every 15 s at most.", read=True
)
UNPLACED = Metric(
    "protes_tasks_unplaced", "gauge", "Tasks that no instance has accepted yet; read every 15 s at most.", read=True
)

# Estimates

TIME_RATIO = Metric(
    "protes_estimate_seconds_ratio",
    "histogram",
    "Actual time of a complete task at its instance, divided by the estimate; 1 is right, 2 took twice as long.",
    ("instance",),
    RATIOS,
)
COST_RATIO = Metric(
    "protes_estimate_cost_ratio",
    "histogram",
    "Cost of a complete task by its actual run time, divided by the estimate.",
    ("instance",),
    RATIOS,
)

# Instances

INSTANCE_ERRORS = Metric(
    "protes_instance_errors_total",
    "counter",
    "Calls of an instance that failed, by the call (create: POST /tasks; read: anything else) and how it failed.",
    ("instance", "call", "error"),
)
EJECTIONS = Metric(
    "protes_ejections_total",
    "counter",
    "Times that an instance was left out: unreachable, failing, or asked for a pause itself.",
    ("instance", "kind"),
)
UP = Metric(
    "protes_instance_up",
    "gauge",
    "Whether tasks may be sent to an instance now; 0: unreachable, ejected, or not probed yet.",
    ("instance",),
    read=True,
)
STATUS = Metric(
    "protes_instance_status",
    "gauge",
    "How an instance is: 1 for its status, in one word.",
    ("instance", "status"),
    read=True,
)
INSTANCE_TASKS = Metric(
    "protes_instance_tasks",
    "gauge",
    "Unfinished tasks at an instance: queued (not seen to start) or started.",
    ("instance", "state"),
    read=True,
)
INSTANCE_LIMIT = Metric(
    "protes_instance_max_in_flight",
    "gauge",
    "Unfinished tasks at once that an instance is sent, configured or learned; absent without a limit.",
    ("instance",),
    read=True,
)
HEARD = Metric(
    "protes_instance_heard_timestamp_seconds",
    "gauge",
    "When an instance answered a probe last.",
    ("instance",),
    read=True,
)
SWEPT = Metric(
    "protes_relay_swept_timestamp_seconds",
    "gauge",
    "When the tasks at an instance were looked at last with success.",
    ("instance",),
    together="max",
)
SWEEP_SECONDS = Metric(
    "protes_relay_sweep_seconds", "histogram", "Time that looking at all tasks at an instance took.", (), LONG_SECONDS
)
PANIC = Metric(
    "protes_federation_panic", "gauge", "Whether so few instances are left that ejected ones are let in.", read=True
)

# Registries

REGISTRY_ANSWERED = Metric(
    "protes_registry_answered_timestamp_seconds",
    "gauge",
    "When a registry gave its last good answer.",
    ("registry",),
    read=True,
)
REGISTRY_FAILING = Metric(
    "protes_registry_failing", "gauge", "Whether the last attempt to ask a registry failed.", ("registry",), read=True
)
REGISTRY_SERVICES = Metric(
    "protes_registry_services",
    "gauge",
    "Services that a registry listed in its last good answer.",
    ("registry",),
    read=True,
)

# Jobs

JOB_SECONDS = Metric("protes_job_seconds", "histogram", "Time that a job took, by its name.", ("job",), SECONDS)
JOB_FAILURES = Metric("protes_job_failures_total", "counter", "Jobs that ended in an error.", ("job",))
JOBS_NOW = Metric("protes_jobs_in_progress", "gauge", "Jobs that run now.", ("job",))
QUEUE = Metric("protes_runner_queue_jobs", "gauge", "Jobs that wait in the processes for a thread.")
LEADER = Metric("protes_leader", "gauge", "Whether a process here leads, which finds what is due.", together="livemax")
WRITERS = Metric("protes_writes_in_progress", "gauge", "Requests that hold a place to write to the store.")
LINE = Metric("protes_writes_waiting", "gauge", "Requests that wait for a place to write to the store.")
WAITERS = Metric("protes_requests_waiting", "gauge", "Requests that wait for a task to change.")

# The store

STORE_SECONDS = Metric(
    "protes_store_seconds",
    "histogram",
    "Time that an operation of the store took, such as tasks.create.",
    ("operation",),
    (0.0005, 0.001, 0.0025, *SECONDS),
)
STORE_FAILURES = Metric(
    "protes_store_failures_total",
    "counter",
    "Operations of the store that failed since it was unavailable or full.",
    ("operation",),
)

# Processes

PROCESSES = Metric("protes_processes", "gauge", "Processes whose figures these are.")
MEMORY = Metric("protes_process_resident_memory_bytes", "gauge", "Memory of all these processes, shared pages in each.")
CPU = Metric("protes_process_cpu_seconds_total", "counter", "Processor time of all these processes.")
THREADS = Metric("protes_process_threads", "gauge", "Threads of all these processes.")
FILES = Metric("protes_process_open_fds", "gauge", "Open files and connections of all these processes.")
STARTED = Metric(
    "protes_process_start_timestamp_seconds", "gauge", "When the youngest of these processes began.", together="livemax"
)
BUILD = Metric("protes_build_info", "gauge", "1, with the version.", ("version", "python"), read=True)

ALL: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
