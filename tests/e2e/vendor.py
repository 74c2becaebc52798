"""A host that answers as it is told: what a vendor's API would say, and what it
was asked."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Vendor:
    """Answers in the order in which they were told, and goes on with the last;
    keeps what came."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.answers: list[tuple[int, str, list[bytes]]] = []
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args) -> None:
                pass

            def do_GET(self) -> None:  # noqa: N802
                self.do_POST()

            def do_POST(self) -> None:  # noqa: N802
                n = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(n)
                vendor.asked.append({
                    "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()},
                    "raw": body, "body": json.loads(body) if body else None})
                # the last one stands: a call that failed is tried again
                status, kind, parts = (vendor.answers.pop(0) if len(vendor.answers) > 1 else
                                       vendor.answers[0] if vendor.answers else
                                       (500, "text/plain", [b"nothing was told"]))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for part in parts:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def reset(self) -> None:
        self.asked.clear()
        self.answers.clear()

    def says(self, body, status: int = 200) -> None:
        """An answer in one piece."""
        self.answers.append((status, "application/json; charset=UTF-8",
                             [json.dumps(body).encode()]))

    def streams(self, events: list, named: bool = False, kind: str = "text/event-stream") -> None:
        """Each event in a chunk of its own, cut in the middle."""
        parts = []
        for e in events:
            if isinstance(e, bytes):
                text = e
            else:
                name = f"event: {e['type']}\n" if named else ""
                text = f"{name}data: {json.dumps(e)}\n\n".encode()
            parts += [text[:len(text) // 2], text[len(text) // 2:]]
        self.answers.append((200, kind, parts))

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)
