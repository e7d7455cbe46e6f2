# SPDX-License-Identifier: Apache-2.0
"""The two Kubernetes API servers that the tests run on: devkube (ours, in memory) and the real one with etcd."""

import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess

import yaml

from .basics import ROOT, Process, binary, free_port, until
from .kube import Kube

MANIFESTS = ROOT / "manifests"
NAMESPACE = "gatehouse-system"


def manifest(*names):
    """The objects of files under manifests/, in order."""
    for name in names:
        for document in yaml.safe_load_all((MANIFESTS / name).read_text()):
            if document:
                yield document


def write_kubeconfig(path, server, token, authority=None):
    cluster = {"server": server}
    if authority:
        cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
    path.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "e2e",
        "clusters": [{"name": "e2e", "cluster": cluster}],
        "users": [{"name": "e2e", "user": {"token": token}}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
    }))
    path.chmod(0o600)


class Cluster:
    """A running API server. `kubeconfig` is the administrator's, `server_kubeconfig` what gatehouse runs with."""

    name = None
    kubectl_binary = "kubectl"
    kubeconfig = None
    server_kubeconfig = None

    def kube(self, **options):
        return Kube(self.kubeconfig, **options)

    def install_crds(self):
        kube = self.kube()
        for crd in manifest("crds/ingressroutes.yaml", "crds/tlscertificatedelegations.yaml"):
            kube.apply(crd)
        for kind in ("IngressRoute", "TLSCertificateDelegation"):
            until(lambda k=kind: kube.request("GET", kube.path(k)).ok, f"the API server to serve {kind}")
        kube.apply(next(manifest("base/namespace.yaml")))
        kube.close()

    def kubectl(self, *args, check=True, stdin=None, env=None):
        """Run kubectl as a person would; returns (exit code, stdout, stderr)."""
        done = subprocess.run([self.kubectl_binary, *map(str, args)], input=stdin, capture_output=True, text=True, timeout=60,
                              env={**os.environ, "KUBECONFIG": str(self.kubeconfig), **(env or {})})
        assert not check or done.returncode == 0, f"kubectl {args}: {done.stdout}{done.stderr}"
        return done.returncode, done.stdout, done.stderr


class Devkube(Cluster):
    name = "devkube"

    def __init__(self, directory, port=None, token="e2e-token"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.token = token
        self.kubeconfig = self.server_kubeconfig = self.directory / "kubeconfig"
        self.process = None
        self.start()
        self.install_crds()

    def start(self, *flags):
        self.process = Process([binary("devkube"), "--port", self.port, "--dir", self.directory, "--token", self.token, *flags],
                               self.directory / "devkube.log")

        def answers():
            assert self.process.running(), f"devkube ended: {self.process.output()}"
            return self.kubeconfig.exists() and Kube(self.kubeconfig).ready()
        until(answers, "devkube to answer")

    def faults(self, *descriptions):
        """What is to go wrong, in the words of devkube/README.md."""
        kube = self.kube()
        answer = kube.request("POST", "/devkube/faults", list(descriptions))
        kube.close()
        assert answer.ok, answer

    def heal(self):
        kube = self.kube()
        assert kube.request("DELETE", "/devkube/faults").ok
        kube.close()

    def load(self, objects):
        """Stores objects at once, without validation and admission."""
        kube = self.kube()
        answer = kube.request("POST", "/devkube/load", {"items": objects})
        kube.close()
        assert answer.ok, answer

    def requests(self):
        """{"patch ingressroutes/status": 3, ...} since the start."""
        kube = self.kube()
        counts = kube.request("GET", "/devkube/requests").body
        kube.close()
        return counts

    def stop(self):
        self.process.kill()


class RealKube(Cluster):
    """kube-apiserver and etcd, with RBAC on: gatehouse runs with the rights that the manifests give it, and no more."""

    name = "real"

    def __init__(self, directory, audited=False, flags=()):
        """audited: who asked for what goes into audit.log. flags: more of the API server's."""
        self.audited, self.flags = audited, list(flags)
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.apiserver_binary, self.etcd_binary = self.binaries()
        self.port, self.etcd_port, self.peer_port = free_port(), free_port(), free_port()
        self.kubeconfig = self.directory / "kubeconfig"
        self.server_kubeconfig = self.directory / "server-kubeconfig"
        self.etcd = self.apiserver = None
        self._write_credentials()
        self.start()
        self.install_crds()
        self.install_rbac()

    @staticmethod
    def binaries():
        assets = os.environ.get("KUBEBUILDER_ASSETS")
        if assets:
            return pathlib.Path(assets) / "kube-apiserver", pathlib.Path(assets) / "etcd"
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
        etcd = shutil.which("etcd")
        return cache / "gatehouse" / "kube-apiserver-1.20.2", pathlib.Path(etcd) if etcd else None

    @classmethod
    def missing(cls):
        """Why it cannot run, or None."""
        apiserver, etcd = cls.binaries()
        if not apiserver.exists():
            return f"{apiserver} is missing: run `make apiserver`"
        if not etcd or not etcd.exists():
            return "etcd is missing: run `make deps-e2e`"
        return None

    def _write_credentials(self):
        (self.directory / "tokens.csv").write_text('e2e-admin,admin,admin,"system:masters"\n')
        (self.directory / "tokens.csv").chmod(0o600)
        subprocess.run(["openssl", "genrsa", "-out", str(self.directory / "sa.key"), "2048"], check=True, capture_output=True)

    def start(self):
        self.start_etcd()
        self.start_apiserver()

    def start_etcd(self):
        url = f"http://127.0.0.1:{self.etcd_port}"
        peer = f"http://127.0.0.1:{self.peer_port}"
        self.etcd = Process([self.etcd_binary, "--data-dir", self.directory / "etcd", "--unsafe-no-fsync",
                             "--listen-client-urls", url, "--advertise-client-urls", url, "--listen-peer-urls", peer,
                             "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"],
                            self.directory / "etcd.log", env={**os.environ, "ETCD_UNSUPPORTED_ARCH": os.uname().machine})

    def start_apiserver(self):
        d = self.directory
        self.apiserver = Process([
            self.apiserver_binary, "--etcd-servers", f"http://127.0.0.1:{self.etcd_port}", "--bind-address", "127.0.0.1",
            "--secure-port", self.port, "--cert-dir", d / "certs", "--token-auth-file", d / "tokens.csv",
            "--authorization-mode", "RBAC", "--service-account-issuer", "https://e2e", "--api-audiences", "https://e2e",
            "--service-account-key-file", d / "sa.key", "--service-account-signing-key-file", d / "sa.key",
            "--service-cluster-ip-range", "10.0.0.0/16", "--disable-admission-plugins", "ServiceAccount",
            "--endpoint-reconciler-type", "none", *self._audit_flags(), *self.flags], d / "kube-apiserver.log")
        certificate = d / "certs" / "apiserver.crt"

        def answers():
            for process in (self.etcd, self.apiserver):
                assert process.running(), f"{process.argv[0]} ended:\n{process.output()[-3000:]}"
            if not certificate.exists():
                return False
            # The self-signed pair holds the certificate, then the authority that signed it.
            write_kubeconfig(self.kubeconfig, f"https://127.0.0.1:{self.port}", "e2e-admin", certificate.read_bytes())
            return Kube(self.kubeconfig).ready()
        until(answers, "kube-apiserver to be ready", timeout=90, interval=0.1)

    def _audit_flags(self):
        if not self.audited:
            return []
        policy = self.directory / "audit.yaml"
        policy.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n")
        return ["--audit-policy-file", policy, "--audit-log-path", self.directory / "audit.log", "--audit-log-mode", "blocking"]

    def audit(self):
        """What was asked of the API server and answered, one dict a request (a watch counts when it begins)."""
        lines = (self.directory / "audit.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def install_rbac(self):
        kube = self.kube()
        for obj in manifest("base/serviceaccounts.yaml", "base/rbac-server.yaml", "base/rbac-certgen.yaml"):
            kube.apply(obj)
        self.write_server_kubeconfig(self.server_kubeconfig, "gatehouse")
        kube.close()

    def write_server_kubeconfig(self, path, account):
        """A kubeconfig with the token of a ServiceAccount of ours, as a pod would have."""
        kube = self.kube()
        answer = kube.request("POST", kube.path("ServiceAccount", NAMESPACE, account, "token"),
                              {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                               "spec": {"audiences": ["https://e2e"], "expirationSeconds": 7200}})
        assert answer.ok, answer
        write_kubeconfig(path, f"https://127.0.0.1:{self.port}", answer.body["status"]["token"],
                         (self.directory / "certs" / "apiserver.crt").read_bytes())
        kube.close()

    def stop(self):
        # kube-apiserver lingers after SIGTERM once etcd is gone.
        self.apiserver.kill()
        self.etcd.stop(signal.SIGKILL)


def webhook_configurations(url, authority, unguarded_label="gatehouse-e2e"):
    """The manifests' webhook configurations, reached by URL.

    Objects labelled gatehouse-e2e=unguarded pass by: tests need objects that the webhook would have refused."""
    for configuration in manifest("base/webhooks.yaml"):
        for webhook in configuration["webhooks"]:
            path = webhook["clientConfig"]["service"]["path"]
            webhook["clientConfig"] = {"url": url + path, "caBundle": base64.b64encode(authority).decode()}
            webhook["objectSelector"] = {"matchExpressions": [
                {"key": unguarded_label, "operator": "NotIn", "values": ["unguarded"]}]}
        yield configuration


