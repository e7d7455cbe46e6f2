# SPDX-License-Identifier: Apache-2.0
"""What a person at a terminal sees: the real kubectl against a cluster that gatehouse guards."""

import itertools
import json
import os
import subprocess

import pytest

from harness.basics import until

_numbers = itertools.count(1)


@pytest.fixture
def team(kube):
    """A namespace of the test's own, with a Service `web`; its objects go when the test ends."""
    name = f"kubectl-{next(_numbers)}"
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": name},
                "spec": {"ports": [{"port": 80}]}})
    yield name
    for kind in ("IngressRoute", "Service"):
        for obj in kube.list(kind, name):
            kube.delete(kind, name, obj["metadata"]["name"])


def site(team, name="site", fqdn=None, match="/", port=80, service="web"):
    """A manifest as a person would write it."""
    return f"""
apiVersion: contour.heptio.com/v1beta1
kind: IngressRoute
metadata:
  name: {name}
  namespace: {team}
spec:
  virtualhost:
    fqdn: {fqdn or f"{name}.{team}.test"}
  routes:
    - match: {match}
      services:
        - name: {service}
          port: {port}
"""


def status_of(kube, team, name):
    return (kube.get("IngressRoute", team, name) or {}).get("status", {}).get("currentStatus")


def await_status(kube, team, name, status):
    until(lambda: status_of(kube, team, name) == status, f"{team}/{name} to be {status}")


def await_known(kubectl, team):
    """Until the server has seen the namespace's Service, which a warning would tell."""
    until(lambda: "Warning" not in kubectl("apply", "--dry-run=server", "-f", "-", stdin=site(team, "probe"))[2],
          "the server to see the Service")


def test_apply__valid_site__created_without_a_word(server, kube, kubectl, team):
    await_known(kubectl, team)
    _, out, err = kubectl("apply", "-f", "-", stdin=site(team))
    assert (out, err) == ("ingressroute.contour.heptio.com/site created\n", "")
    await_status(kube, team, "site", "valid")


def test_apply__invalid_site__refused_with_field_value_and_rule(server, kubectl, team):
    code, out, err = kubectl("apply", "-f", "-", stdin=site(team, port=0), check=False)
    assert code != 0 and not out
    assert "denied the request" in err or "is invalid" in err
    assert "spec.routes[0].services[0].port: Invalid value: 0" in err
    assert "[ServicePortInvalid]" in err


def test_apply__copied_fqdn__refused_with_the_owners_name(server, kube, kubectl, team):
    kubectl("apply", "-f", "-", stdin=site(team))
    await_status(kube, team, "site", "valid")
    code, _, err = kubectl("apply", "-f", "-", stdin=site(team, "copy", f"site.{team}.test"), check=False)
    assert code != 0
    assert "[FQDNConflict]" in err and f"{team}/site" in err
    assert status_of(kube, team, "site") == "valid"


def test_apply__missing_service__warned_on_stderr_and_created(server, kube, kubectl, team):
    code, out, err = kubectl("apply", "-f", "-", stdin=site(team, service="later"), check=False)
    assert code == 0 and "created" in out
    assert "Warning: " in err and "[ServiceNotFound]" in err and '"later"' in err and f'"{team}"' in err
    await_status(kube, team, "site", "invalid")
    kubectl("create", "service", "clusterip", "later", "-n", team, "--tcp=80:80")
    await_status(kube, team, "site", "valid")


def test_apply__dry_run_server__same_verdict_and_nothing_stored(server, kube, kubectl, team):
    kubectl("apply", "--dry-run=server", "-f", "-", stdin=site(team))
    assert kube.get("IngressRoute", team, "site") is None
    code, _, err = kubectl("apply", "--dry-run=server", "-f", "-", stdin=site(team, match="nope"), check=False)
    assert code != 0 and "[PathInvalid]" in err


def test_apply__directory_in_any_order__ends_valid(server, kube, kubectl, team, tmp_path):
    child = site(team, "child").replace("  virtualhost:\n    fqdn: child.%s.test\n" % team, "")
    assert "virtualhost" not in child
    root = site(team, "root").replace("      services:\n        - name: web\n          port: 80\n",
                                      "      delegate:\n        name: child\n")
    (tmp_path / "a-child.yaml").write_text(child)
    (tmp_path / "b-root.yaml").write_text(root)
    kubectl("apply", "-f", tmp_path)
    for name in ("child", "root"):
        await_status(kube, team, name, "valid")
    _, out, _ = kubectl("apply", "-f", tmp_path)
    assert out.count("unchanged") == 2


def test_get__columns__as_users_know_them(server, kube, kubectl, team):
    kubectl("apply", "-f", "-", stdin=site(team))
    await_status(kube, team, "site", "valid")
    for resource in ("ingressroute", "ingressroutes", "ir", "ingressroutes.contour.heptio.com"):
        _, out, _ = kubectl("get", resource, "-n", team)
        header, row = out.splitlines()
        assert header.split() == "NAME FQDN TLS SECRET FIRST ROUTE STATUS STATUS DESCRIPTION".split()
        assert row.split() == ["site", f"site.{team}.test", "/", "valid", "valid", "IngressRoute"]


def test_get__watch__shows_the_status_turn(server, kube, kubectl, cluster, team):
    kubectl("apply", "-f", "-", stdin=site(team, service="later"))
    await_status(kube, team, "site", "invalid")
    watch = subprocess.Popen([cluster.kubectl_binary, "get", "ir", "-n", team, "-w"], stdout=subprocess.PIPE, text=True,
                             env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)})
    try:
        watch.stdout.readline()  # the header
        assert " invalid " in watch.stdout.readline()
        kubectl("create", "service", "clusterip", "later", "-n", team, "--tcp=80:80")
        assert " valid " in watch.stdout.readline()
    finally:
        watch.kill()
        watch.wait()


def test_describe__invalid_object__lists_all_findings(server, kube, kubectl, team):
    kubectl("apply", "-f", "-", stdin=site(team, service="later"))
    await_status(kube, team, "site", "invalid")
    _, out, _ = kubectl("describe", "ir", "site", "-n", team)
    assert "Current Status:" in out and "[ServiceNotFound]" in out


def test_explain__routes__teaches(server, kubectl):
    # A real API server publishes the schema of a new CRD a moment later.
    until(lambda: kubectl("explain", "ingressroute.spec.routes", check=False)[0] == 0, "the published schema", 30)
    _, out, _ = kubectl("explain", "ingressroute.spec.routes.match")
    assert "Path prefix" in out
    _, out, _ = kubectl("explain", "ir.spec.virtualhost")
    assert "fqdn" in out and "One object owns it in the whole cluster" in " ".join(out.split())


def test_edit__to_something_wrong__refused_and_unchanged(server, kube, kubectl, team, tmp_path):
    kubectl("apply", "-f", "-", stdin=site(team))
    await_status(kube, team, "site", "valid")
    before = kube.get("IngressRoute", team, "site")["spec"]
    # The first time it spoils the object; when kubectl opens the editor again with the error, it changes nothing.
    editor = tmp_path / "editor.sh"
    editor.write_text(f'#!/bin/sh\n[ -e {tmp_path}/done ] && exit 0\ntouch {tmp_path}/done\n'
                      "sed -i 's,match: /,match: nope,' \"$1\"\n")
    editor.chmod(0o755)
    code, out, err = kubectl("edit", "ir", "site", "-n", team, env={"KUBE_EDITOR": str(editor)}, check=False)
    assert code != 0, out + err
    assert kube.get("IngressRoute", team, "site")["spec"] == before


def test_edit__to_something_right__stored(server, kube, kubectl, team, tmp_path):
    kubectl("apply", "-f", "-", stdin=site(team))
    editor = tmp_path / "editor.sh"
    editor.write_text("#!/bin/sh\nsed -i 's,match: /,match: /docs,' \"$1\"\n")
    editor.chmod(0o755)
    kubectl("edit", "ir", "site", "-n", team, env={"KUBE_EDITOR": str(editor)})
    assert kube.get("IngressRoute", team, "site")["spec"]["routes"][0]["match"] == "/docs"
    await_status(kube, team, "site", "valid")


@pytest.mark.parametrize("kind, patch, code", [
    ("merge", {"spec": {"routes": [{"match": "/x", "services": [{"name": "web", "port": 80}]}]}}, 0),
    ("merge", {"spec": {"routes": [{"match": "x", "services": [{"name": "web", "port": 80}]}]}}, 1),
    ("json", [{"op": "replace", "path": "/spec/routes/0/match", "value": "/y"}], 0),
    ("json", [{"op": "replace", "path": "/spec/routes/0/services/0/port", "value": 0}], 1),
], ids=["merge-good", "merge-bad", "json-good", "json-bad"])
def test_patch__judged_like_any_update(server, kube, kubectl, team, kind, patch, code):
    await_known(kubectl, team)
    kubectl("apply", "-f", "-", stdin=site(team))
    got, out, err = kubectl("patch", "ir", "site", "-n", team, "--type", kind, "-p", json.dumps(patch), check=False)
    assert got == code, out + err
    if code:
        assert "Invalid]" in err


def test_delete__owner__frees_its_name(server, kube, kubectl, team):
    kubectl("apply", "-f", "-", stdin=site(team))
    await_status(kube, team, "site", "valid")
    _, out, _ = kubectl("delete", "ir", "site", "-n", team)
    assert "deleted" in out and kube.get("IngressRoute", team, "site") is None
    kubectl("apply", "-f", "-", stdin=site(team, "next", f"site.{team}.test"))
    await_status(kube, team, "next", "valid")


def test_annotate_and_label__invalid_object__never_refused(server, kube, kubectl, team):
    unguarded = site(team, match="nope").replace("metadata:\n", "metadata:\n  labels: {gatehouse-e2e: unguarded}\n")
    kubectl("apply", "-f", "-", stdin=unguarded)
    await_status(kube, team, "site", "invalid")
    kubectl("label", "ir", "site", "-n", team, "gatehouse-e2e-")
    kubectl("label", "ir", "site", "-n", team, "color=green")
    kubectl("annotate", "ir", "site", "-n", team, "note=hello")


def test_server_fqdn__upper_case_and_dot__stored_normalised(server, kube, kubectl, team):
    kubectl("apply", "-f", "-", stdin=site(team, fqdn=f"Site.{team}.TEST."))
    assert kube.get("IngressRoute", team, "site")["spec"]["virtualhost"]["fqdn"] == f"site.{team}.test"
    _, out, _ = kubectl("apply", "-f", "-", stdin=site(team, fqdn=f"site.{team}.test"))
    await_status(kube, team, "site", "valid")
