# SPDX-License-Identifier: Apache-2.0
"""`gatehouse cli`: what an Envoy would get from a running server, over TLS and without."""

import itertools
import json
import socket
import subprocess
import threading

import pytest

from harness import pki
from harness import server as servers
from harness.basics import ROOT, Process, binary, free_port, until
from harness.venv import Missing, virtual_environment

_numbers = itertools.count(1)


class Cli:
    """`gatehouse cli` with an Envoy's certificate."""

    def __init__(self, server):
        self.port, self.pair = server.xds_port, server.certificates.parent / "envoy-xds-tls"

    def flags(self, pair=None):
        pair = pair or self.pair
        return ["--xds-port", self.port, "--cafile", pair / "ca.crt", "--cert-file", pair / "tls.crt",
                "--key-file", pair / "tls.key"]

    def run(self, *args, flags=None):
        argv = [binary("gatehouse"), "cli", *map(str, args), *map(str, self.flags() if flags is None else flags)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def __call__(self, *args, **more):
        """(exit code, one object a resource)."""
        code, out, err = self.run(*args, **more)
        assert not err, err
        return code, [json.loads(line) for line in out.splitlines()]

    def names(self, kind):
        return [r["name"] for r in self(kind)[1]]


@pytest.fixture
def site(server, kube):
    """A TLS host with a Service: (cli, namespace, fqdn)."""
    n = next(_numbers)
    namespace, fqdn = f"cli{n}", f"cli{n}.test"
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": namespace},
                "spec": {"ports": [{"port": 80}]}})
    kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cert", "namespace": namespace},
                "type": "kubernetes.io/tls", "data": pki.tls_data((fqdn, f"www.{fqdn}"))})
    kube.apply(root(namespace, fqdn, "/"))
    cli = Cli(server)
    until(lambda: f"https/{fqdn}" in cli.names("rds"), f"{fqdn} to be served")
    yield cli, namespace, fqdn
    for kind, name in (("IngressRoute", "www"), ("Service", "web"), ("Secret", "cert")):
        kube.delete(kind, namespace, name)


def root(namespace, fqdn, *matches):
    return {"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
            "metadata": {"name": "www", "namespace": namespace, "labels": {"gatehouse-e2e": "unguarded"}},
            "spec": {"virtualhost": {"fqdn": fqdn, "tls": {"secretName": "cert"}},
                     "routes": [{"match": m, "timeoutPolicy": {"request": "1500ms"},
                                 "services": [{"name": "web", "port": 80}]} for m in matches]}}


def test_cli__lds__all_listeners_as_canonical_json(site):
    cli, _, fqdn = site
    code, found = cli("lds")
    assert code == 0
    listeners = {r["name"]: r["resource"] for r in found}
    assert {"ingress_http", "ingress_https", "stats-health"} <= listeners.keys()
    assert all(r["type"] == "Listener" and len(r["version"]) == 32 for r in found)
    chain = next(c for c in listeners["ingress_https"]["filterChains"] if c["name"] == fqdn)
    assert chain["filterChainMatch"]["serverNames"] == [fqdn]
    manager = chain["filters"][0]["typedConfig"]
    assert manager["@type"].endswith("v3.HttpConnectionManager") and manager["rds"]["routeConfigName"] == f"https/{fqdn}"
    assert chain["transportSocketConnectTimeout"] == "10s"


def test_cli__rds_by_name__only_that_with_durations_and_defaults_left_out(site):
    cli, namespace, fqdn = site
    code, [found] = cli("rds", f"https/{fqdn}")
    host = found["resource"]["virtualHosts"][0]
    assert code == 0 and host["domains"] == [fqdn]
    route = host["routes"][0]
    assert route["match"] == {"prefix": "/"}
    assert route["route"]["timeout"] == "1.500s" and route["route"]["cluster"].startswith(f"{namespace}/web/80/")


def test_cli__cds_and_eds__clusters_and_their_endpoints(site):
    cli, namespace, _ = site
    cluster = next(r for r in cli("cds")[1] if r["name"].startswith(f"{namespace}/web/80/"))["resource"]
    assert (cluster["type"], cluster["connectTimeout"]) == ("EDS", "0.250s")
    code, [endpoints] = cli("eds", f"{namespace}/web")
    assert code == 0 and endpoints["resource"] == {"clusterName": f"{namespace}/web"}


def test_cli__sds__says_what_the_certificate_says_and_no_key(site, kube):
    cli, namespace, fqdn = site
    name = f"{namespace}/cert"
    code, out, _ = cli.run("sds", name)
    [found] = [json.loads(line) for line in out.splitlines()]
    [certificate] = found["certificates"]
    assert code == 0 and found["kind"] == "certificate" and certificate["names"] == [fqdn, f"www.{fqdn}"]
    assert len(certificate["sha256"]) == 64 and certificate["notAfter"].endswith("Z") and "subject" in certificate
    _, text, _ = cli.run("sds", "-o", "text")
    data = kube.get("Secret", namespace, "cert")["data"]
    for shown in (out, text):
        assert "PRIVATE" not in shown and data["tls.key"][:40] not in shown and "BEGIN" not in shown
    line = next(line for line in text.splitlines() if fqdn in line)
    assert certificate["sha256"] in line and f"names {fqdn} www.{fqdn}" in line


def test_cli__name_that_is_not_there__said_and_exit_1(site):
    cli, namespace, _ = site
    code, found = cli("eds", f"{namespace}/nothing", f"{namespace}/web")
    assert code == 1
    assert {"type": "ClusterLoadAssignment", "name": f"{namespace}/nothing", "removed": True} in found
    assert [r["name"] for r in found if "resource" in r] == [f"{namespace}/web"]
    code, out, _ = cli.run("eds", f"{namespace}/nothing", "-o", "text")
    assert (code, out) == (1, f"{namespace}/nothing is not there\n")


def test_cli__text__names_versions_and_text_format(site):
    cli, _, fqdn = site
    code, out, _ = cli.run("rds", f"https/{fqdn}", "-o", "text")
    assert code == 0 and out.startswith(f"https/{fqdn} version ") and f'domains: "{fqdn}"' in out


def test_cli__watch__prints_what_changes(site, kube, tmp_path):
    cli, namespace, fqdn = site
    argv = [binary("gatehouse"), "cli", "rds", f"https/{fqdn}", "--watch", "--timeout", "20s", *cli.flags()]
    watcher = Process(argv, tmp_path / "watch.log")
    def lines():
        return [json.loads(line) for line in watcher.output().splitlines()]
    def matches(line):
        return [r["match"] for r in line["resource"]["virtualHosts"][0]["routes"]]
    try:
        until(lambda: len(lines()) == 1, "the first answer")
        kube.apply(root(namespace, fqdn, "/", "/new"))
        until(lambda: len(lines()) == 2, "the change")
        assert [matches(line) for line in lines()] == \
            [[{"prefix": "/"}], [{"pathSeparatedPrefix": "/new"}, {"prefix": "/"}]]
        kube.delete("IngressRoute", namespace, "www")
        until(lambda: lines()[-1].get("removed"), "the end of the host")
        assert watcher.running()
    finally:
        watcher.stop()


def test_cli__insecure__plain_http2_on_loopback(cluster, kube, tmp_path):
    server = servers.Server(cluster, tmp_path, ["--disable-leader-election", "--disable", "webhook,status", "--insecure"])
    server.start()
    try:
        cli = Cli(server)
        code, found = cli("lds", flags=["--insecure", "--xds-port", server.xds_port])
        assert code == 0 and "ingress_http" in [r["name"] for r in found]
        code, out, err = cli.run("lds")
        assert (code, out) == (1, "") and "TLS: " in err, "TLS against a plain server"
    finally:
        server.stop()


# What Google's library makes of the JSON: its own form of the same message must be equal to ours.
READ = """
import importlib.util, json, sys
from google.protobuf import json_format, message_factory, descriptor_pool
spec = importlib.util.spec_from_file_location("xds_check", sys.argv[1])
xds_check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(xds_check)
xds_check.load_descriptors()
TYPES = {"Listener": "listener.v3", "RouteConfiguration": "route.v3", "Cluster": "cluster.v3",
         "ClusterLoadAssignment": "endpoint.v3"}
for line in sys.stdin:
    r = json.loads(line)
    name = f"envoy.config.{TYPES[r['type']]}.{r['type']}"
    message = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))()
    json_format.ParseDict(r["resource"], message)
    again = json_format.MessageToDict(message)
    assert again == r["resource"], (json.dumps(again), json.dumps(r["resource"]))
    print(r["type"], message.ByteSize() > 0)
"""


def test_cli__every_type__googles_library_reads_the_same_json(site):
    cli, *_ = site
    try:
        python = virtual_environment("venv-xds", ROOT / "e2e" / "xds-requirements.txt") / "bin" / "python"
    except Missing as e:
        pytest.skip(str(e))
    for kind in ("lds", "rds", "cds", "eds"):
        code, out, _ = cli.run(kind)
        assert code == 0 and out
        done = subprocess.run([python, "-I", "-c", READ, ROOT / "e2e" / "harness" / "xds_check.py"], input=out,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        assert len(done.stdout.splitlines()) == len(out.splitlines())


# ---- what goes wrong, in words ----

def test_cli__nobody_listens__says_where_and_refused(site):
    cli, *_ = site
    cli.port = free_port()
    code, out, err = cli.run("lds")
    assert (code, out) == (1, "") and f"127.0.0.1 port {cli.port}" in err and "Connection refused" in err


def test_cli__other_ca__the_server_is_not_trusted(site, tmp_path):
    cli, *_ = site
    servers.issue_certificates(tmp_path / "other")
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "ca.crt").write_bytes((tmp_path / "other" / "ca.crt").read_bytes())
    for name in ("tls.crt", "tls.key"):
        (mixed / name).write_bytes((cli.pair / name).read_bytes())
    code, out, err = cli.run("lds", flags=cli.flags(mixed))
    assert (code, out) == (1, "") and "certificate is not trusted" in err


def test_cli__certificate_of_another_ca__the_server_refuses_us(site, tmp_path):
    cli, *_ = site
    other = servers.issue_certificates(tmp_path / "other").parent / "envoy-xds-tls"
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "ca.crt").write_bytes((cli.pair / "ca.crt").read_bytes())
    for name in ("tls.crt", "tls.key"):
        (mixed / name).write_bytes((other / name).read_bytes())
    code, out, err = cli.run("lds", flags=cli.flags(mixed))
    assert (code, out) == (1, "") and "alert" in err and "refuses our certificate" in err


def test_cli__other_server_name__mismatch_is_said(site):
    cli, *_ = site
    code, out, err = cli.run("lds", "--server-name", "elsewhere.test")
    assert (code, out) == (1, "") and "hostname mismatch" in err


def test_cli__files_that_are_not_there__named(site, tmp_path):
    cli, *_ = site
    code, _, err = cli.run("lds", flags=cli.flags(tmp_path / "nowhere"))
    assert code == 1 and str(tmp_path / "nowhere") in err


def test_cli__server_that_says_nothing__ends_with_the_timeout(site):
    cli, *_ = site
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        code, out, err = cli.run("lds", flags=["--insecure", "--xds-port", port, "--timeout", "300ms"])
        assert (code, out) == (1, "") and "no answer within 300ms" in err
        cli.port = port
        code, out, err = cli.run("lds", "--timeout", "300ms")
        assert (code, out) == (1, "") and "no answer" in err


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 64, b"\xff" * 4096, b""])
def test_cli__server_that_speaks_something_else__one_line_and_exit_1(site, answer):
    cli, *_ = site
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        def serve():
            peer, _ = stranger.accept()
            with peer:
                peer.recv(64)
                peer.sendall(answer)
        thread = threading.Thread(target=serve)
        thread.start()
        code, out, err = cli.run("lds", flags=["--insecure", "--xds-port", stranger.getsockname()[1], "--timeout", "5s"])
        thread.join()
        assert (code, out) == (1, "") and len(err.splitlines()) == 1 and err.startswith("gatehouse cli: ")


@pytest.mark.parametrize("argv", [[], ["xds", "--insecure"], ["lds"], ["lds", "--insecure", "--xds-address", "192.0.2.1"],
                                  ["lds", "--insecure", "--timeout", "0s"]])
def test_cli__usage__exit_2(argv):
    done = subprocess.run([binary("gatehouse"), "cli", *argv], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and done.stderr
