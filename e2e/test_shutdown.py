# SPDX-License-Identifier: Apache-2.0
"""shutdown-manager and a real Envoy: a pod that ends loses no request."""

import contextlib
import http.client
import http.server
import json
import signal
import threading

import pytest

from harness.basics import Process, binary, free_port, until
from harness.envoy import Envoy

QUICK = ("--check-interval", "20ms", "--drain-delay", "300ms")


class Upstream(http.server.ThreadingHTTPServer):
    """Answers at once; /held waits until it is let go."""

    def __init__(self):
        self.arrived, self.released = threading.Event(), threading.Event()
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path == "/held":
                    upstream.arrived.set()
                    upstream.released.wait(30)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                with contextlib.suppress(BrokenPipeError):  # whoever asked has gone
                    self.wfile.write(b"ok")

            def log_message(self, *_):
                pass
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.released.set()
        self.shutdown()
        self.server_close()


def socket_address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def configuration(admin, port, upstream_port):
    """The least Envoy that proxies HTTP; JSON is YAML."""
    manager = {"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
               "stat_prefix": "ingress_http",
               "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                   {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "30s"}}]}]},
               "http_filters": [{"name": "router", "typed_config": {
                   "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}
    return json.dumps({
        "admin": {"address": {"pipe": {"path": str(admin)}}},
        "static_resources": {
            "listeners": [{"name": "ingress_http", "address": socket_address(port), "filter_chains": [
                {"filters": [{"name": "http", "typed_config": manager}]}]}],
            "clusters": [{"name": "upstream", "type": "STATIC", "load_assignment": {"cluster_name": "upstream", "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": socket_address(upstream_port)}}]}]}}]}})


class Pod:
    """An Envoy and its shutdown-manager."""

    def __init__(self, envoy_binary, directory, name, upstream, *flags):
        self.port, self.hook_port, self.directory, self.name = free_port(), free_port(), directory, name
        self.envoy = Envoy(envoy_binary, directory, lambda admin: configuration(admin, self.port, upstream.server_port), name)
        self.flags = flags
        self.manager = None

    def start(self):
        self.envoy.start()
        self.manager = Process([binary("gatehouse"), "shutdown-manager", "--admin-address", self.envoy.admin_socket,
                                "--serve-address", "127.0.0.1", "--serve-port", self.hook_port, *QUICK, *self.flags],
                               self.directory / f"{self.name}-manager.log")
        until(lambda: "waiting for the end" in self.manager.output(), "the shutdown-manager to listen")
        return self

    def pre_stop(self):
        """What the kubelet does for Envoy's container; the status."""
        hook = http.client.HTTPConnection("127.0.0.1", self.hook_port, timeout=60)
        hook.request("GET", "/shutdown")
        return hook.getresponse().status

    def connected_to_hook(self):
        """Whether somebody's request to the manager has been accepted and is held."""
        with open(f"/proc/{self.manager.pid}/net/tcp") as table:
            return any(f":{self.hook_port:04X} " in row.split()[1] + " " and row.split()[3] == "01"
                       and row.split()[4].endswith(":00000000") for row in list(table)[1:])

    def end(self):
        """As the kubelet ends a pod: SIGTERM to the manager while Envoy's hook runs, then to Envoy; the hook's status."""
        self.manager.send(signal.SIGTERM)
        status = self.pre_stop()
        assert self.manager.child.wait(30) == 0
        return status

    def restart(self):
        assert self.end() == 200
        self.envoy.process.stop()
        self.start()

    def stop(self):
        self.envoy.kill()
        if self.manager:
            self.manager.kill()


@pytest.fixture
def upstream():
    running = Upstream()
    yield running
    running.stop()


@pytest.fixture
def pod(envoy_binary, upstream, tmp_path):
    """pod(name, *flags): one that has started."""
    pods = []

    def start(name="envoy", *flags):
        pods.append(Pod(envoy_binary, tmp_path, name, upstream, *flags))
        return pods[-1].start()
    yield start
    for running in pods:
        running.stop()


class InBackground(threading.Thread):
    """Runs a function; its result, or what it raised, after join()."""

    def __init__(self, function):
        super().__init__(daemon=True)
        self.function, self.result = function, None
        self.start()

    def run(self):
        try:
            self.result = self.function()
        except (OSError, http.client.HTTPException) as e:
            self.result = e


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read()


def test_end__request_in_flight__hook_is_answered_after_it(pod, upstream):
    running = pod()
    request = InBackground(lambda: get(running.port, "/held"))
    assert upstream.arrived.wait(30)
    end = InBackground(running.end)
    until(lambda: running.envoy.admin("/ready")[0] == 503, "Envoy not to be ready")
    until(lambda: '"connections":"1"' in running.manager.output(), "the open connection to be counted")
    assert end.is_alive() and request.is_alive()
    upstream.released.set()
    request.join(30)
    end.join(30)
    assert request.result == (200, b"ok")
    assert end.result == 200
    assert '"drained"' in running.manager.output()


def test_hook__before_sigterm__waits_and_drains_nothing(pod):
    running = pod()
    hook = InBackground(running.pre_stop)
    until(lambda: running.connected_to_hook(), "the hook to ask")
    assert running.envoy.ready() and get(running.port, "/")[0] == 200, "whoever asks for /shutdown must not stop Envoy"
    assert hook.is_alive()
    running.manager.send(signal.SIGTERM)
    hook.join(30)
    assert hook.result == 200


def test_end__connection_that_never_ends__given_up_after_the_timeout(pod, upstream):
    running = pod("envoy", "--drain-timeout", "1s")
    request = InBackground(lambda: get(running.port, "/held"))
    assert upstream.arrived.wait(30)
    assert running.end() == 200
    assert request.is_alive()
    assert "1 connections are still open" in running.manager.output()


def test_end__envoy_has_gone__hook_is_answered(pod):
    running = pod()
    running.envoy.process.kill()
    assert running.end() == 200
    assert "Envoy may end now" in running.manager.output()


class Balancer:
    """Keeps connections to the pods that are ready, as a load balancer with health checks does, and never stops asking."""

    def __init__(self, pods, clients=4):
        self.pods, self.served, self.failures = pods, 0, []
        self.ready = list(pods)
        self.end, self.lock = threading.Event(), threading.Lock()
        self.threads = [InBackground(self.check)] + [InBackground(self.ask) for _ in range(clients)]

    def check(self):
        while not self.end.wait(0.02):
            self.ready = [p for p in self.pods if p.envoy.ready()] or self.ready

    def ask(self):
        connections, turn = {}, 0
        while not self.end.is_set():
            turn += 1
            for gone in [p for p in connections if p not in self.ready]:
                connections.pop(gone).close()
            pod = self.ready[turn % len(self.ready)]
            connection = connections.get(pod) or http.client.HTTPConnection("127.0.0.1", pod.port, timeout=30)
            try:
                connection.request("GET", "/")
                response = connection.getresponse()
                response.read()
                with self.lock:
                    self.served += 1
                    if response.status != 200:
                        self.failures.append(f"{pod.name}: {response.status}")
                connections[pod] = connection
                if response.will_close:
                    connections.pop(pod).close()
            except OSError as e:
                with self.lock:
                    self.failures.append(f"{pod.name}: {e!r}")
                connections.pop(pod, None)

    def stop(self):
        self.end.set()
        for thread in self.threads:
            thread.join(30)


def test_rolling_restart__under_load__no_request_fails(pod):
    pods = [pod("first"), pod("second")]
    load = Balancer(pods)
    try:
        for _ in range(2):
            for running in pods:
                served = load.served
                until(lambda: load.served > served + 50 and len(load.ready) == 2, "requests to both")
                running.restart()
    finally:
        load.stop()
    assert load.failures == []
    print(f"{load.served} requests, 0 failed, 4 pods restarted")
