# SPDX-License-Identifier: Apache-2.0
"""100 rotations of everything, CA included, on the real pieces: nobody notices.

certgen writes Secrets and caBundle, a helper shows the Secrets as files as kubelet does, gatehouse and a real Envoy take
them while they work. The overlap is a millisecond, so that each run of certgen takes one step and then waits: for the
test, which goes on when all readers have what was published.
"""

import base64
import contextlib
import socket
import ssl
import subprocess
import time

import pytest

from harness import traffic
from harness.basics import BUILD, until
from harness.cluster import NAMESPACE, RealKube, webhook_configurations
from harness.rotation import Projection, Reviews, Watcher, Wire
from harness.traffic import route

ROTATIONS = 100
SECRETS = ("gatehouse-webhook-tls", "gatehouse-xds-tls", "envoy-xds-tls")
CONTEXTS = "cluster.gatehouse.client_ssl_socket_factory.ssl_context_update_by_sds"


def certificates(pem):
    end = b"-----END CERTIFICATE-----\n"
    return [part + end for part in pem.split(end) if part.strip()]


class Rotation:
    """The Secrets, their files, and who reads them."""

    def __init__(self, cluster, kube, directory):
        self.kube = kube
        kubeconfig = cluster.kubeconfig
        if isinstance(cluster, RealKube):
            kubeconfig = directory / "certgen-kubeconfig"
            cluster.write_server_kubeconfig(kubeconfig, "gatehouse-certgen")
        # Not the sanitized one, which test_certgen.py runs: it is not what is asked about, and takes most of the time.
        self.argv = [BUILD / "gatehouse", "certgen", "--kube", "--kubeconfig", kubeconfig, "--namespace", NAMESPACE,
                     "--ip", "127.0.0.1", "--ca-overlap", "1ms"]
        self.files = {name: Projection(directory / "certificates" / name) for name in SECRETS}
        self.authorities, self.leaves, self.handshakes = set(), set(), 0

    def certgen(self, *flags):
        done = subprocess.run([*self.argv, *flags], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def project(self):
        """What kubelet does, after some time, with a Secret that has changed."""
        for name, files in self.files.items():
            stored = self.kube.get("Secret", NAMESPACE, name)["data"]
            files.write({key: base64.b64decode(value) for key, value in stored.items()})
            self.leaves.add(files.data["tls.crt"])
        self.authorities.update(certificates(self.files["envoy-xds-tls"].data["ca.crt"]))

    def publish(self, server, envoy):
        """Show the files; come back when all readers use them."""
        def taken():
            metrics = server.metrics()
            return [metrics[f'gatehouse_certificate_reloads_total{{name="{name}"}}'] for name in ("webhook", "xds")]
        before, updates = taken(), envoy.stat(CONTEXTS)
        self.project()
        until(lambda: all(now > b for now, b in zip(taken(), before)), "gatehouse to take the files")
        until(lambda: envoy.stat(CONTEXTS) > updates, "Envoy to take the files")
        self.shake_hands(server)

    def shake_hands(self, server):
        """New connections find what was published: the webhook's as the API server verifies it, xDS as an Envoy does."""
        envoy = self.files["envoy-xds-tls"]
        context = ssl.create_default_context(cadata=envoy.data["ca.crt"].decode())
        with self._connect(context, server.webhook_port, "127.0.0.1") as s:
            assert ssl.DER_cert_to_PEM_cert(s.getpeercert(True)).encode() == self.files["gatehouse-webhook-tls"].data["tls.crt"]
        context.load_cert_chain(envoy.directory / "tls.crt", envoy.directory / "tls.key")
        context.set_alpn_protocols(["h2"])
        with self._connect(context, server.xds_port, "gatehouse") as s:
            assert ssl.DER_cert_to_PEM_cert(s.getpeercert(True)).encode() == self.files["gatehouse-xds-tls"].data["tls.crt"]
            assert s.recv(9)[3] == 4, "the server's SETTINGS (RFC 9113, section 6.5): it has accepted our certificate"
        self.handshakes += 2

    @staticmethod
    @contextlib.contextmanager
    def _connect(context, port, name):
        with socket.create_connection(("127.0.0.1", port), 10) as s, context.wrap_socket(s, server_hostname=name) as tls:
            yield tls


@pytest.fixture
def edge(cluster, kube, pool, envoy_binary, tmp_path):
    """gatehouse and an Envoy with certgen's certificates out of a cluster, connected by a wire."""
    pool.stop()
    edge = traffic.Edge(cluster, tmp_path, envoy_binary)
    edge.rotation = rotation = Rotation(cluster, kube, tmp_path)
    edge.wire = None
    try:
        rotation.certgen()
        rotation.project()
        edge.certificates = rotation.files["gatehouse-webhook-tls"].directory
        server = edge.server()
        edge.wire = Wire(server.xds_port)
        for configuration in webhook_configurations(f"https://127.0.0.1:{server.webhook_port}", b""):
            kube.apply(configuration)
        rotation.certgen()
        edge.envoy(edge.wire.port)
        yield edge
    finally:
        edge.close()
        if edge.wire:
            edge.wire.close()
        for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
            kube.delete(kind, None, "gatehouse")
        for name in ("gatehouse-ca", *SECRETS):
            kube.delete("Secret", NAMESPACE, name)


def test_rotation__a_hundred_times_under_load__nobody_notices(edge, cluster, capsys):
    rotation, server, envoy = edge.rotation, edge.servers[0], edge.envoys[0]
    team = edge.team("rotation")
    upstream = edge.upstreams.http("web")
    team.service("web", upstream)
    host = team.site("site", route("/", "web"))
    edge.until_answer(host, who="web")
    sample = {**team.route("review", team.host("review"), [route("/", "web")])}
    sample["metadata"]["labels"] = {}
    reviews_before = server.metric("gatehouse_admission_total")

    with Reviews(cluster, sample, 110) as reviews, Watcher(envoy) as watcher, edge.load(host, pause=0.05) as load:
        for i in range(ROTATIONS):
            rotation.certgen("--rotate-ca")  # drops the CA before last, and publishes a new one beside the present
            rotation.publish(server, envoy)
            rotation.certgen()               # leaves under the new CA
            rotation.publish(server, envoy)
            if i % 10 == 9:
                accepted = edge.wire.accepted
                edge.wire.cut()              # Envoy has to show its new certificate, and to accept the server's
                until(lambda: edge.wire.accepted > accepted and envoy.stat("control_plane.connected_state"),
                      "Envoy to connect again")

    reviewed = server.metric("gatehouse_admission_total") - reviews_before
    tls = envoy.stats(r"^cluster\.gatehouse\.ssl\.(connection_error|fail_verify.*)$")
    failed = envoy.stat("cluster.gatehouse.upstream_cx_connect_fail")
    complaints = [line for line in server.process.output().splitlines() if '"warn' in line or '"error' in line]
    with capsys.disabled():
        print(f"\n{len(rotation.authorities) - 1} CAs and {len(rotation.leaves) - 3} leaves replaced in {reviews.seconds:.0f} s; "
              f"{reviewed:.0f} reviews ({reviewed / reviews.seconds:.0f}/s), {len(reviews.refused)} refused; "
              f"{rotation.handshakes} handshakes checked, {sum(tls.values()) + failed:.0f} TLS errors of Envoy; "
              f"{edge.wire.cuts} connections cut, {len(watcher.gaps)} gaps, the longest {max(watcher.gaps, default=0):.2f} s; "
              f"{load.answered} requests to the site, {len(load.failures)} failed")
    assert len(rotation.authorities) == ROTATIONS + 1 and len(rotation.leaves) == 3 * (ROTATIONS + 1)
    assert not reviews.refused, reviews.refused[:3]
    # Each write is asked about twice, of which the mutating one fails unnoticed: none is missing.
    assert reviewed >= 2 * sum(reviews.sent), (reviewed, reviews.sent)
    # The printed rate is 220/s unless the machine has too much else to do, which is no failure; a standstill would be one.
    assert reviewed / reviews.seconds >= 50
    assert not any(tls.values()) and not failed, (tls, failed)
    assert edge.wire.cuts == ROTATIONS // 10 and edge.wire.accepted == 1 + edge.wire.cuts, "no connection was lost but those cut"
    assert watcher.asked > 100 and max(watcher.gaps, default=0) < 1, watcher.gaps
    assert not complaints, complaints[:3]
