"""A worker function with an invoke endpoint, for `tasks_forward.py`, which kills it: PORT, LOG, SECONDS a record.

It writes `group number` for each record, body by body, and answers that all of them are done.
"""

import http.server
import json
import os
import sys
import time

port, path, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


class Function(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        for record in json.loads(self.rfile.read(int(self.headers["Content-Length"])))["Records"]:
            time.sleep(seconds)
            os.write(log, f"{record['attributes']['MessageGroupId']} {record['body']}\n".encode())
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


http.server.HTTPServer(("127.0.0.1", port), Function).serve_forever()
