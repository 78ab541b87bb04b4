# mypy: ignore-errors
"""Three steps: two that read the same file, and one that joins what they made."""

import collections
import pathlib
import time

from toil.common import Toil
from toil.job import Job

SMALL = {"cores": 1, "memory": "100M", "disk": "100M"}


def upper(job, words):
    return written(job, read(job, words).upper())


def count(job, words):
    counted = collections.Counter(read(job, words).split())
    return written(job, "".join(f"{number} {word}\n" for word, number in sorted(counted.items())))


def join(job, upper_file, count_file):
    return written(job, read(job, upper_file) + read(job, count_file))


def result(job, words):
    steps = [job.addChildJobFn(each, words, **SMALL) for each in (upper, count)]
    return job.addFollowOnJobFn(join, *(each.rv() for each in steps), **SMALL).rv()


def broken(job, words):
    made = job.addChildJobFn(upper, words, **SMALL)
    return made.addChildJobFn(breaking, made.rv(), **SMALL).rv()


def breaking(job, words):
    raise RuntimeError("broken on purpose")


def slow(job, words):
    time.sleep(300)
    return words


def steady(job, words):
    time.sleep(75)
    return written(job, "".join(sorted(read(job, words).splitlines(keepends=True))))


def read(job, file):
    return pathlib.Path(job.fileStore.readGlobalFile(file)).read_text()


def written(job, text):
    place = pathlib.Path(job.fileStore.getLocalTempFile())
    place.write_text(text)
    return job.fileStore.writeGlobalFile(str(place))


def main():
    parser = Job.Runner.getDefaultArgumentParser()
    parser.add_argument("--goal", choices=("result", "broken", "slow", "steady"), required=True)
    options = parser.parse_args()
    here = pathlib.Path.cwd()
    with Toil(options) as toil:
        words = toil.importFile((here / "words.txt").as_uri())
        made = toil.start(Job.wrapJobFn(globals()[options.goal], words, **SMALL))
        toil.exportFile(made, (here / f"{options.goal}.txt").as_uri())


if __name__ == "__main__":
    main()
