# SPDX-License-Identifier: Apache-2.0
"""gatehouse certgen --kube: rotation, several Jobs at once, and what it says when it cannot go on."""

import base64
import email.utils
import http.server
import json
import subprocess
import threading
import time

import pytest

from harness.basics import binary
from harness.cluster import NAMESPACE, RealKube, manifest, write_kubeconfig

LEAVES = ("gatehouse-webhook-tls", "gatehouse-xds-tls", "envoy-xds-tls")
SECRETS = ("gatehouse-ca", *LEAVES)
CONFIGURATIONS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")


class Certgen:
    def __init__(self, kubeconfig):
        self.argv = [binary("gatehouse"), "certgen", "--kube", "--kubeconfig", kubeconfig, "--namespace", NAMESPACE]

    def start(self, *flags):
        return subprocess.Popen([*self.argv, *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, *flags):
        process = self.start(*flags)
        output = process.communicate(timeout=60)[0]
        assert process.returncode == 0, output
        return output


@pytest.fixture
def certgen(cluster, kube, pool, tmp_path):
    """certgen with its own rights, webhook configurations that match nothing, and no Secrets before and after."""
    kubeconfig = cluster.kubeconfig
    if isinstance(cluster, RealKube):
        kubeconfig = tmp_path / "certgen-kubeconfig"
        cluster.write_server_kubeconfig(kubeconfig, "gatehouse-certgen")
    for configuration in manifest("base/webhooks.yaml"):
        for webhook in configuration["webhooks"]:
            webhook["objectSelector"] = {"matchLabels": {"nothing": "matches"}}
        kube.apply(configuration)
    yield Certgen(kubeconfig)
    for name in SECRETS:
        kube.delete("Secret", NAMESPACE, name)
    for kind in CONFIGURATIONS:
        kube.delete(kind, None, "gatehouse")
    if pool.server:
        pool.server.install_webhooks(kube)


def data(kube, name):
    return {key: base64.b64decode(value) for key, value in kube.get("Secret", NAMESPACE, name)["data"].items()}


def bundles(kube):
    """The CA bundles that everybody has been given; one when all is settled."""
    found = {data(kube, name)["ca.crt"] for name in SECRETS}
    for kind in CONFIGURATIONS:
        for webhook in kube.get(kind, None, "gatehouse")["webhooks"]:
            found.add(base64.b64decode(webhook["clientConfig"].get("caBundle", "")))
    return found


def expect_consistent(kube, tmp_path):
    """Every leaf matches its key and is signed by the one bundle that all have."""
    (bundle,) = bundles(kube)
    (tmp_path / "ca").write_bytes(bundle)
    for name in LEAVES:
        stored = data(kube, name)
        (tmp_path / "crt").write_bytes(stored["tls.crt"])
        (tmp_path / "key").write_bytes(stored["tls.key"])
        subprocess.run(["openssl", "verify", "-CAfile", tmp_path / "ca", tmp_path / "crt"], check=True, capture_output=True)
        of_crt = subprocess.check_output(["openssl", "x509", "-in", tmp_path / "crt", "-noout", "-pubkey"])
        of_key = subprocess.check_output(["openssl", "pkey", "-in", tmp_path / "key", "-pubout"])
        assert of_crt == of_key, name
    return bundle


def test_certgen__several_at_once__one_set_comes_out(certgen, kube, tmp_path):
    jobs = [certgen.start() for _ in range(6)]
    outputs = [job.communicate(timeout=60)[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0] * len(jobs), outputs
    expect_consistent(kube, tmp_path)
    assert data(kube, "gatehouse-ca").keys() == {"ca.crt", "ca.key"}
    before = {name: data(kube, name) for name in SECRETS}
    assert "issued" not in certgen.run()
    assert {name: data(kube, name) for name in SECRETS} == before


def test_certgen__rotate_ca__old_and_new_stand_beside_each_other_until_the_overlaps_are_over(certgen, kube, tmp_path):
    certgen.run()
    old = expect_consistent(kube, tmp_path)
    leaf = data(kube, "envoy-xds-tls")["tls.crt"]
    certgen.run("--rotate-ca")
    both = expect_consistent(kube, tmp_path)
    assert both.startswith(old) and both.count(b"BEGIN CERTIFICATE") == 2
    assert data(kube, "envoy-xds-tls")["tls.crt"] == leaf, "leaves change an overlap later"
    certgen.run("--rotate-ca")
    assert expect_consistent(kube, tmp_path) == both, "the rotation under way is gone on with, no second one begun"
    certgen.run("--ca-overlap", "0s")
    new = expect_consistent(kube, tmp_path)
    assert new == both[len(old):], "only the new CA is left"
    assert data(kube, "envoy-xds-tls")["tls.crt"] != leaf
    assert data(kube, "gatehouse-ca").keys() == {"ca.crt", "ca.key"}


def test_certgen__one_secret_deleted__only_that_is_issued_anew(certgen, kube, tmp_path):
    certgen.run()
    before = {name: data(kube, name) for name in SECRETS}
    kube.delete("Secret", NAMESPACE, "gatehouse-xds-tls")
    assert "gatehouse-xds-tls: issued (missing)" in certgen.run("--dry-run")
    assert kube.get("Secret", NAMESPACE, "gatehouse-xds-tls") is None
    assert "gatehouse-xds-tls: issued (missing)" in certgen.run()
    expect_consistent(kube, tmp_path)
    after = {name: data(kube, name) for name in SECRETS}
    assert [name for name in SECRETS if before[name] != after[name]] == ["gatehouse-xds-tls"]


def test_certgen__webhooks_not_installed__secrets_all_the_same(certgen, kube):
    for kind in CONFIGURATIONS:
        kube.delete(kind, None, "gatehouse")
    output = certgen.run()
    assert "validatingwebhookconfigurations/gatehouse: absent, left alone" in output
    assert all(kube.get("Secret", NAMESPACE, name) for name in SECRETS)


def test_certgen__webhooks_installed_a_moment_later__waits_and_fills_the_bundle_in(certgen, kube):
    stored = {}
    for kind in CONFIGURATIONS:
        stored[kind] = kube.get(kind, None, "gatehouse")
        kube.delete(kind, None, "gatehouse")
    process = certgen.start("--webhook-wait", "60s")
    for kind in CONFIGURATIONS:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)  # not before the last one
        stored[kind]["metadata"].pop("resourceVersion")
        assert kube.create(stored[kind]).ok
    output = process.communicate(timeout=30)[0]
    assert process.returncode == 0, output
    assert "absent" not in output
    assert all(w["clientConfig"]["caBundle"] for kind in CONFIGURATIONS for w in kube.get(kind, None, "gatehouse")["webhooks"])


def test_certgen__secret_of_another_type__says_to_delete_it(certgen, kube):
    kube.apply({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {},
                "metadata": {"name": "gatehouse-webhook-tls", "namespace": NAMESPACE}})
    process = certgen.start()
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert "gatehouse-webhook-tls is of type Opaque, not kubernetes.io/tls" in output and "delete it" in output


@pytest.fixture
def tomorrow(cluster, tmp_path):
    """A kubeconfig of the same API server, whose clock is a day and an hour ahead."""
    ahead = email.utils.formatdate(time.time() + 25 * 3600, usegmt=True)

    class Forward(http.server.BaseHTTPRequestHandler):
        def forward(self):
            client = cluster.kube()
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = client.request(self.command, self.path, body or None, self.headers.get("Content-Type"))
            client.close()
            content = json.dumps(answer.body).encode()
            self.send_response_only(answer.code)
            for name, value in (("Date", ahead), ("Content-Type", "application/json"), ("Content-Length", len(content))):
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(content)
        do_GET = do_POST = do_PATCH = forward

        def log_message(self, *_):
            pass
    with http.server.HTTPServer(("127.0.0.1", 0), Forward) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        write_kubeconfig(tmp_path / "tomorrow", f"http://127.0.0.1:{server.server_address[1]}", "")
        yield tmp_path / "tomorrow"
        server.shutdown()


def test_certgen__clock_of_the_api_server_is_another__counts(certgen, kube, tmp_path, tomorrow):
    certgen.run()
    certgen.run("--rotate-ca")
    both = expect_consistent(kube, tmp_path)
    certgen.run()
    assert expect_consistent(kube, tmp_path) == both, "the overlap of a day has not passed"
    output = Certgen(tomorrow).run()
    assert "new CA signs" in output and output.count("issued") == 3
    assert expect_consistent(kube, tmp_path) == both


def annotate(kube, kind, namespace, name, **annotations):
    obj = kube.get(kind, namespace, name)
    obj["metadata"].setdefault("annotations", {}).update({f"cert-manager.io/{k.replace('_', '-')}": v for k, v in annotations.items()})
    kube.apply(obj)


def test_certgen__secret_and_bundle_kept_by_cert_manager__left_alone_and_said_so(certgen, kube):
    certgen.run()
    annotate(kube, "Secret", NAMESPACE, "gatehouse-webhook-tls", certificate_name="gatehouse-webhook")
    annotate(kube, CONFIGURATIONS[0], None, "gatehouse", inject_ca_from="gatehouse-system/gatehouse-webhook")
    before = [data(kube, "gatehouse-webhook-tls"), *(kube.get(kind, None, "gatehouse")["webhooks"] for kind in CONFIGURATIONS)]
    output = certgen.run("--rotate-ca", "--ca-overlap", "0s")
    after = [data(kube, "gatehouse-webhook-tls"), *(kube.get(kind, None, "gatehouse")["webhooks"] for kind in CONFIGURATIONS)]
    assert before == after
    lines = dict(line.split(": ", 1) for line in output.splitlines() if ": " in line)
    assert lines["gatehouse-webhook-tls"] == "left alone: cert-manager keeps it, Certificate gatehouse-webhook"
    assert lines["validatingwebhookconfigurations/gatehouse"] == \
        "left alone: cert-manager injects caBundle from gatehouse-system/gatehouse-webhook"
    # Not annotated: what verifies a certificate of cert-manager is not for us to write.
    assert "inject-ca-from: NAMESPACE/CERTIFICATE" in lines["mutatingwebhookconfigurations/gatehouse"]
    assert "issued" in lines["gatehouse-xds-tls"] and "warning" not in output
    assert data(kube, "gatehouse-xds-tls")["ca.crt"] == data(kube, "envoy-xds-tls")["ca.crt"] != before[0]["ca.crt"]


def test_certgen__half_of_what_belongs_together_kept_by_cert_manager__warns(certgen, kube):
    certgen.run()
    annotate(kube, "Secret", NAMESPACE, "envoy-xds-tls", certificate_name="envoy")
    annotate(kube, CONFIGURATIONS[1], None, "gatehouse", inject_ca_from="gatehouse-system/gatehouse-webhook")
    output = certgen.run()
    assert "warning: gatehouse-xds-tls and envoy-xds-tls verify each other" in output
    assert "warning: mutatingwebhookconfigurations/gatehouse does not get the CA of gatehouse-webhook-tls" in output


def test_certgen__all_kept_by_cert_manager__no_ca_of_ours(certgen, kube):
    certgen.run()
    for name in LEAVES:
        annotate(kube, "Secret", NAMESPACE, name, certificate_name=name)
    kube.delete("Secret", NAMESPACE, "gatehouse-ca")
    output = certgen.run()
    assert kube.get("Secret", NAMESPACE, "gatehouse-ca") is None
    assert "gatehouse-ca: absent, left alone" in output and "issued" not in output


def test_certgen__ca_secret_lost__what_is_served_stays_trusted(certgen, kube, tmp_path):
    certgen.run()
    before = expect_consistent(kube, tmp_path)
    leaf = data(kube, "envoy-xds-tls")["tls.crt"]
    kube.delete("Secret", NAMESPACE, "gatehouse-ca")
    output = certgen.run()
    assert "took over what is trusted" in output and "there is no CA with its key" in output
    both = expect_consistent(kube, tmp_path)
    assert both.startswith(before) and both.count(b"BEGIN CERTIFICATE") == 2
    assert data(kube, "envoy-xds-tls")["tls.crt"] == leaf
    certgen.run("--ca-overlap", "0s")
    assert expect_consistent(kube, tmp_path) == both[len(before):]
