"""Which tasks are of a kind."""

import pytest

from middleware import TaskView
from protes.learning import bucket_of, signature_of
from tests.support.learning_samples import a_view

SAME = [
    # Versions, digests and default registries of images.
    (a_view("quay.io/bio/bwa:0.7.17--h1"), a_view("quay.io/bio/bwa@sha256:0123")),
    (a_view("ubuntu"), a_view("docker.io/library/ubuntu:22.04")),
    (a_view("registry.local:5000/tool:1"), a_view("registry.local:5000/tool:2")),
    # Files, numbers, values and folders.
    (a_view("i", "bwa", "mem", "-t", "8", "/data/a.fq"), a_view("i", "bwa", "mem", "-t16", "/other/b_2.fq.gz")),
    (a_view("i", "/opt/v1/tool", "--n=1"), a_view("i", "/usr/bin/tool", "--n=20")),
    (a_view("i", "python3", "/a/run.py", "1.5"), a_view("i", "python3", "/b/run.py", "7")),
    (a_view("i", "run", "sample12"), a_view("i", "run", "sample7")),
    (
        a_view("i", "sh", "-c", "cd /work/ab/12cd34ef; THREADS=4 sort -k1 in.txt | gzip > out.gz"),
        a_view("i", "sh", "-c", "cd /work/99/aa00bb11; THREADS=8 sort -k2 other.txt | gzip > /tmp/x"),
    ),
    # Nextflow: the process without the name of the sample.
    (
        a_view("i", "bash", "-c", "bash /work/.command.run 2>&1 | tee /work/.command.log", name="ALIGN (one)"),
        a_view("i", "bash", "-c", "bash /work/.command.run 2>&1 | tee /work/.command.log", name="ALIGN (two)"),
    ),
]

OTHER = [
    (a_view("quay.io/bio/bwa"), a_view("quay.io/bio/samtools")),
    (a_view("i", "bwa", "mem"), a_view("i", "bwa", "index")),
    (a_view("i", "samtools", "sort", "-n"), a_view("i", "samtools", "sort", "-m")),
    (a_view("i", "python3", "/a/align.py"), a_view("i", "python3", "/a/call.py")),
    (a_view("i", "sh", "-c", "sort x | uniq"), a_view("i", "sh", "-c", "sort x | head")),
    (a_view("i", cores=1), a_view("i", cores=8)),
    (
        a_view("i", "/bin/bash", "/cromwell-executions/wf/0123/call-a/execution/script", name="wf.a"),
        a_view("i", "/bin/bash", "/cromwell-executions/wf/0123/call-b/execution/script", name="wf.b"),
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_versions_data_and_numbers_do_not_matter(one: TaskView, other: TaskView) -> None:
    assert signature_of(one) == signature_of(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_images_programs_and_cores_do(one: TaskView, other: TaskView) -> None:
    assert signature_of(one) != signature_of(other)


def test_a_signature_is_stable() -> None:
    """It stands in the store: another way of making it forgets what is known."""
    assert signature_of(a_view("quay.io/bio/bwa:1", "bwa", "mem", "-t", "4", "/in/a.fq", cores=4)) == "57ce8e6c6a610914"


@pytest.mark.parametrize("command", [("",), ("\ud800",), ("x" * 1_000_000,), ("a b " * 100_000,), ("sh", "-c", "|;&&")])
def test_whatever_a_command_holds_is_a_kind(command: tuple[str, ...]) -> None:
    assert len(signature_of(a_view("", *command))) == 16


@pytest.mark.parametrize(
    ("cores", "ram_gb", "preemptible", "bucket"),
    [
        (1, 4, None, "c1-r4"),
        (0.5, 1, False, "c1-r1"),
        (3, 5, True, "c4-r16-p"),
        (4, 16, None, "c4-r16"),
        (None, None, None, "c--r-"),
        (0, float("nan"), None, "c--r-"),
        (float("inf"), -1, None, "c--r-"),
        (100, 1000, None, "c128-r1024"),
    ],
)
def test_buckets(cores: float | None, ram_gb: float | None, preemptible: bool | None, bucket: str) -> None:
    assert bucket_of(a_view(cores=cores, ram_gb=ram_gb, preemptible=preemptible)) == bucket


def test_kinds_of_different_audiences_are_apart() -> None:
    one = a_view("alpine", "sort", "-k", "2")
    signatures = [signature_of(one, audience) for audience in ("", "user:ann", "user:ben", "group:ann")]
    assert len(set(signatures)) == 4
    assert signatures[0] == signature_of(one)
