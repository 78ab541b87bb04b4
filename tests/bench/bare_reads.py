"""GET of a task by id behind bare WSGI, as a baseline: `python -m tests.bench.bare_reads FOLDER`."""

import json
import sys
from typing import Any

from werkzeug.datastructures import ETags

from protes.api.reading import Page, Reading
from protes.api.views import Eyes, View
from protes.http_server import serve
from protes.store.factory import create_stores


def main(folder: str) -> None:
    """Serve the tasks in a folder at a free port, and print the URL."""

    def create() -> Any:
        stores = create_stores(folder)

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            task_id = environ["PATH_INFO"].rpartition("/")[2]

            def read(head: bool) -> Page:
                record = stores.tasks.get(task_id, head=head)
                assert record is not None
                return Page((record,))

            reading, known = Reading(read, View.MINIMAL, Eyes(), single=True), ETags()
            page = reading.read(True)
            tag = reading.tag(page)
            assert not known.contains_weak(tag)
            body = json.dumps(reading.rendered(page)[0], separators=(",", ":")).encode()
            headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("ETag", f'"{tag}"')]
            start_response("200 OK", headers)
            return [body]

        return app, stores.close

    serve(create, host="127.0.0.1", port=0, threads=16, on_ready=lambda url: print(url, flush=True))


if __name__ == "__main__":
    main(sys.argv[1])
