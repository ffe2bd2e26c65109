"""A server that speaks weakforced's HTTP and JSON."""

import http.server
import json
import threading
import time


class PolicyServer:
    """Answers by `verdict`, a dict or None for none at all, and keeps what it was asked."""

    def __init__(self):
        self.verdict = {"status": 0, "msg": "", "r_attrs": {}}
        self.status = 200
        self.asked = []
        self.release = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                entry = (self.path, dict(self.headers), json.loads(body))
                outer.asked.append(entry)
                if outer.verdict is None:
                    outer.release.wait(20)
                report = self.path.endswith("report")
                answer = json.dumps({"status": "ok"} if report else outer.verdict).encode()
                self.send_response(outer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def commands(self, command):
        return [body for path, _, body in self.asked if path == f"/?command={command}"]

    def wait_for(self, command, count=1):
        deadline = time.monotonic() + 10
        while len(self.commands(command)) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        found = self.commands(command)
        assert len(found) == count
        return found
