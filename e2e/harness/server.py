# SPDX-License-Identifier: Apache-2.0
"""The gatehouse server under test."""

import http.client
import json
import pathlib
import signal
import ssl
import subprocess

from .basics import Process, binary, free_port, until
from .cluster import NAMESPACE, webhook_configurations

def issue_certificates(directory):
    """`gatehouse certgen --pem`; returns the directory of the webhook's pair."""
    directory = pathlib.Path(directory)
    subprocess.run([binary("gatehouse"), "certgen", "--pem", directory, "--ip", "127.0.0.1"], check=True, capture_output=True)
    return directory / "gatehouse-webhook-tls"


class EnvoyPorts:
    """Where Envoys listen, as gatehouse tells them: the same for all replicas."""

    def __init__(self):
        self.http, self.https, self.stats = free_port(), free_port(), free_port()

    def flags(self):
        return ["--envoy-service-http-address", "127.0.0.1", "--envoy-service-http-port", self.http,
                "--envoy-service-https-address", "127.0.0.1", "--envoy-service-https-port", self.https,
                "--stats-address", "127.0.0.1", "--stats-port", self.stats]


class Server:
    """One replica. `port`s stay the same over restarts, so that the webhook configurations stay true.

    Its Envoys listen at `envoy_ports`; without them there are none."""

    def __init__(self, cluster, directory, flags=(), certificates=None, name="gatehouse", webhook_port=None,
                 envoy_ports=None):
        self.cluster, self.flags, self.name = cluster, list(flags), name
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.webhook_port = webhook_port or free_port()
        self.http_port, self.debug_port = free_port(), free_port()
        self.xds_port, self.envoy_ports = free_port(), envoy_ports
        self.certificates = certificates or issue_certificates(self.directory / "pem")
        self.xds_certificates = self.certificates.parent / "gatehouse-xds-tls"
        self.program = binary("gatehouse")
        self.process = None

    def argv(self):
        return [self.program, "serve", "--kubeconfig", self.cluster.server_kubeconfig, "--namespace", NAMESPACE,
                "--webhook-address", "127.0.0.1", "--webhook-port", self.webhook_port,
                "--webhook-cert-file", self.certificates / "tls.crt", "--webhook-key-file", self.certificates / "tls.key",
                "--http-address", "127.0.0.1", "--http-port", self.http_port, "--debug-http-port", self.debug_port,
                *self.xds_flags(), "--shutdown-delay", "0s", *self.flags]

    def xds_flags(self):
        envoy = self.envoy_ports.flags() if self.envoy_ports else []
        if "--insecure" in self.flags:
            return ["--xds-port", self.xds_port, *envoy]
        pair = self.xds_certificates
        return ["--xds-port", self.xds_port, "--xds-cafile", pair / "ca.crt", "--xds-cert-file", pair / "tls.crt",
                "--xds-key-file", pair / "tls.key", *envoy]

    def start(self, wait=True):
        self.process = Process(self.argv(), self.directory / f"{self.name}.log")
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=20):
        def ready():
            assert self.process.running(), f"gatehouse ended:\n{self.process.output()[-4000:]}"
            return self.ready()
        try:
            until(ready, "gatehouse to be ready", timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.process.output()[-4000:]}") from None

    def http(self, path, port=None, method="GET", body=None):
        """(status, text), or (0, error)."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.http_port, timeout=10)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as e:
            return 0, str(e)
        finally:
            connection.close()

    def running(self):
        return self.process is not None and self.process.running()

    def ready(self):
        return self.http("/readyz")[0] == 200

    def debug(self, path):
        return self.http(path, self.debug_port)

    def metrics(self):
        """name{labels} -> value."""
        text = self.http("/metrics")[1]
        samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                key, _, value = line.rpartition(" ")
                samples[key] = float(value)
        return samples

    def metric(self, name, /, **labels):
        """The sum of the samples of this name whose labels include these."""
        wanted = [f'{k}="{v}"' for k, v in labels.items()]
        return sum(value for key, value in self.metrics().items()
                   if key.partition("{")[0] == name and all(w in key for w in wanted))

    def authority(self):
        return (self.certificates / "ca.crt").read_bytes()

    def install_webhooks(self, kube):
        for configuration in webhook_configurations(f"https://127.0.0.1:{self.webhook_port}", self.authority()):
            kube.apply(configuration)

    def tls_connection(self, timeout=10):
        context = ssl.create_default_context(cadata=self.authority().decode())
        return http.client.HTTPSConnection("127.0.0.1", self.webhook_port, timeout=timeout, context=context)

    def post(self, body, path="/validate", content_type="application/json", method="POST", timeout=10):
        """(status, parsed JSON or text) straight from the webhook."""
        connection = self.tls_connection(timeout)
        try:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, data, {"Content-Type": content_type} if content_type else {})
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        try:
            return response.status, json.loads(raw)
        except ValueError:
            return response.status, raw.decode(errors="replace")

    def stop(self):
        if self.process:
            code = self.process.stop(signal.SIGTERM)
            assert code == 0, f"gatehouse ended with {code} after SIGTERM:\n{self.process.output()[-4000:]}"
            self.process = None

    def kill(self):
        if self.process:
            self.process.kill()
            self.process = None
