# SPDX-License-Identifier: Apache-2.0
"""`kubectl gatehouse`, as kubectl finds it on PATH, and `gatehouse tree`."""

import os
import subprocess

import pytest

from harness.basics import ROOT, binary, until

TREE = "plugin.test\n  IngressRoute plugin/shop (owner)\n    /blog -> IngressRoute plugin/blog\n"


@pytest.fixture
def path(tmp_path):
    """A folder for PATH that holds the plugin and the program."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "kubectl-gatehouse").symlink_to(ROOT / "cmd/kubectl-gatehouse")
    (folder / "gatehouse").symlink_to(binary("gatehouse"))
    return folder


def run(path, *argv, **environment):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}", **environment})
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def site(server, kube):
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "plugin"}})
    kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "plugin"},
                "spec": {"ports": [{"port": 80}]}})
    for name, spec in (("shop", {"virtualhost": {"fqdn": "plugin.test"}, "routes": [
                            {"match": "/", "services": [{"name": "web", "port": 80}]},
                            {"match": "/blog", "delegate": {"name": "blog"}}]}),
                       ("blog", {"routes": [{"match": "/blog", "services": [{"name": "web", "port": 80}]}]})):
        kube.apply({"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
                    "metadata": {"name": name, "namespace": "plugin"}, "spec": spec})
    kube.apply({"apiVersion": "discovery.k8s.io/v1beta1", "kind": "EndpointSlice", "addressType": "IPv4",
                "metadata": {"name": "web", "namespace": "plugin", "labels": {"kubernetes.io/service-name": "web"}},
                "ports": [{"port": 8080}], "endpoints": [{"addresses": ["10.0.0.1"]}]})
    until(lambda: server.http("/debug/tree?host=plugin.test", server.debug_port)[1] == TREE, "the host")
    asked = "/debug/explain?url=http://plugin.test/blog/1"
    until(lambda: '"served":true' in server.http(asked, server.debug_port)[1].replace(" ", ""), "the endpoint")
    yield f"127.0.0.1:{server.debug_port}"
    for name in ("shop", "blog"):
        kube.delete("IngressRoute", "plugin", name)


def test_tree__host__is_drawn_and_an_unknown_one_is_an_error(site, path):
    assert run(path, "gatehouse", "tree", "plugin.test", "--server", site) == (0, TREE, "")
    assert run(path, "gatehouse", "tree", "PLUGIN.test.", "--server", site)[1] == TREE
    code, _, errors = run(path, "gatehouse", "tree", "other.test", "--server", site)
    assert code == 1 and "no IngressRoute and no Ingress asks for the host other.test" in errors


def test_plugin__kubectl_finds_it__explain_and_tree_answer(site, path, kubectl):
    code, shown, errors = run(path, "kubectl", "gatehouse", "tree", "plugin.test", GATEHOUSE_SERVER=site)
    assert (code, shown) == (0, TREE), errors
    code, shown, errors = run(path, "kubectl", "gatehouse", "explain", "http://plugin.test/blog/1", GATEHOUSE_SERVER=site)
    assert code == 0 and "plugin/blog" in shown, shown + errors
    code, _, errors = run(path, "kubectl", "gatehouse", "explain", "http://nobody.test/", GATEHOUSE_SERVER=site)
    assert code == 1


def test_plugin__lint__gives_the_programs_exit_code(path, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("apiVersion: contour.heptio.com/v1beta1\nkind: IngressRoute\nmetadata: {name: x}\nspec: {routes: [{match: x}]}\n")
    code, shown, _ = run(path, "kubectl-gatehouse", "lint", bad)
    assert code == 1 and "IngressRoute default/x" in shown


def stand_in(path, script):
    """A kubectl of our own: port-forward needs a kubelet."""
    (path / "kubectl").write_text(f"#!/bin/sh\n{script}\n")
    (path / "kubectl").chmod(0o755)


def test_plugin__port_forward__is_asked_for_and_ended(site, path, tmp_path):
    stand_in(path, f'echo "$@" >{tmp_path}/argv; echo $$ >{tmp_path}/pid; echo "Forwarding from {site} -> 6060"; exec sleep 600')
    code, shown, errors = run(path, "kubectl-gatehouse", "tree", "plugin.test", GATEHOUSE_NAMESPACE="edge", GATEHOUSE_CONTEXT="blue")
    assert (code, shown) == (0, TREE), errors
    assert (tmp_path / "argv").read_text() == "--context blue port-forward --namespace edge deployment/gatehouse :6060\n"
    pid = int((tmp_path / "pid").read_text())
    until(lambda: not os.path.exists(f"/proc/{pid}") or "Z" in open(f"/proc/{pid}/stat").read().split()[2], "its end")


def test_plugin__port_forward_refused__says_what_kubectl_said(path):
    stand_in(path, 'echo "Error from server (NotFound): deployments.apps \\"gatehouse\\" not found" >&2; exit 1')
    code, _, errors = run(path, "kubectl-gatehouse", "tree", "plugin.test")
    assert code == 1 and "not found" in errors and "may you forward ports" in errors


def test_plugin__unknown_words__usage(path):
    code, _, errors = run(path, "kubectl-gatehouse", "fly")
    assert code == 2 and "kubectl gatehouse explain URL" in errors
