# SPDX-License-Identifier: Apache-2.0
"""What the demo's Services send to: python3 upstream.py ADDRESS PORT=NAME... answers every GET with its name and the path."""

import http.server
import sys
import threading


def serve(address, port, name):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version, wbufsize = "HTTP/1.1", -1  # an answer in one piece

        def do_GET(self):
            text = f"{name} answers {self.path}\n".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
    http.server.ThreadingHTTPServer((address, port), Handler).serve_forever()


threads = [threading.Thread(target=serve, args=(sys.argv[1], int(port), name))
           for port, _, name in (pair.partition("=") for pair in sys.argv[2:])]
for thread in threads:
    thread.start()
