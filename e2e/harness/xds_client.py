# SPDX-License-Identifier: Apache-2.0
"""An xDS client for tests: a child process (xds_talk.py) with official descriptors and Google's gRPC."""

import json
import os
import queue
import subprocess
import threading

from .basics import ROOT

TALK = ROOT / "e2e" / "harness" / "xds_talk.py"
DELTA, SOTW = "DeltaAggregatedResources", "StreamAggregatedResources"


class XdsClient:
    """One stream. `pair` is a directory with ca.crt, tls.crt and tls.key; without it plain HTTP/2."""

    def __init__(self, python, port, pair=None, method=DELTA, node="talker"):
        self.node, self.events = node, queue.SimpleQueue()
        pems = [pair / name for name in ("ca.crt", "tls.crt", "tls.key")] if pair else []
        # -I: the folder of the script, with our envoy.py, is not on the path: "envoy" are the official descriptors.
        self.child = subprocess.Popen([python, "-I", TALK, f"127.0.0.1:{port}", method, *pems],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                      env={**os.environ, "GRPC_VERBOSITY": "NONE"})
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _read(self):
        for line in self.child.stdout:
            self.events.put(json.loads(line))
        self.events.put({"end": "the client itself", "code": self.child.wait()})

    def ask(self, kind, **more):
        self.child.stdin.write(json.dumps({"type": kind, "node": self.node, **more}) + "\n")
        self.child.stdin.flush()

    def next(self, timeout=20):
        """What comes next: a response, or {"end": status}."""
        try:
            return self.events.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"the xDS server said nothing for {timeout} s") from None

    def answer(self, response, refused=None):
        self.ask(response["type"], nonce=response["nonce"], **({"refused": refused} if refused else {}))

    def expect(self, kind, timeout=20):
        """The next response, which must be of that type; it is acknowledged."""
        got = self.next(timeout)
        assert got.get("type") == kind, got
        self.answer(got)
        return got

    def close(self):
        self.child.kill()
        self.child.wait()
        self.child.stdin.close()
