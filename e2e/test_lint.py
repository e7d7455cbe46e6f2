# SPDX-License-Identifier: Apache-2.0
"""`gatehouse lint` as a tenant's CI calls it. What it finds is asked by the scenarios; here is how it is used."""

import json
import subprocess

import pytest

from harness.basics import ROOT, binary

SERVICE = """apiVersion: v1
kind: Service
metadata: {name: web, namespace: team}
spec:
  ports: [{port: 80}]
"""
ROUTE = """apiVersion: contour.heptio.com/v1beta1
kind: IngressRoute
metadata: {name: NAME, namespace: team}
spec:
  virtualhost: {fqdn: NAME.example.com}
  routes:
    - match: MATCH
      services: [{name: web, port: 80}]
"""


def route(name, match="/"):
    return ROUTE.replace("NAME", name).replace("MATCH", match)


def lint(*args, cwd=None):
    done = subprocess.run([binary("gatehouse"), "lint", *map(str, args)], capture_output=True, text=True, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


def findings(*args):
    code, out, err = lint("-o", "json", *args)
    assert code in (0, 1), err
    return code, json.loads(out)["findings"]


def test_lint__good_files__exit_0_and_no_findings(tmp_path):
    (tmp_path / "a.yaml").write_text(SERVICE)
    (tmp_path / "b.yaml").write_text(route("one") + "---\n" + route("two"))
    assert findings(tmp_path) == (0, [])


def test_lint__bad_route__exit_1_with_file_line_and_rule(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(SERVICE + "---\n" + route("good") + "---\n" + route("bad", "nope"))
    code, found = findings(path)
    assert code == 1 and len(found) == 1
    finding = found[0]
    assert (finding["kind"], finding["namespace"], finding["name"]) == ("IngressRoute", "team", "bad")
    assert (finding["rule"], finding["severity"], finding["field"]) == ("PathInvalid", "error", "spec.routes[0].match")
    assert '"nope"' in finding["message"] and finding["file"].endswith("bad.yaml")
    first = path.read_text().splitlines().index("---", 8) + 2
    assert first <= finding["line"] <= first + 8, "the line lies within the object"


def test_lint__text__one_line_a_finding(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(SERVICE + "---\n" + route("bad", "nope"))
    code, out, _ = lint(path)
    assert code == 1
    line = next(line for line in out.splitlines() if "[PathInvalid]" in line)
    assert "bad.yaml:" in line and "team/bad" in line and "spec.routes[0].match" in line


def test_lint__directory__walked_with_json_and_lists(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "service.yml").write_text(SERVICE)
    item = {"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute",
            "metadata": {"name": "json", "namespace": "team"},
            "spec": {"virtualhost": {"fqdn": "json.example.com"},
                     "routes": [{"match": "nope", "services": [{"name": "web", "port": 80}]}]}}
    (tmp_path / "deep" / "er" / "list.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [item]}))
    (tmp_path / "notes.txt").write_text("not: a: manifest")
    code, found = findings(tmp_path)
    assert code == 1 and [(f["name"], f["rule"]) for f in found] == [("json", "PathInvalid")]


def test_lint__objects_of_several_files__judged_together(tmp_path):
    (tmp_path / "a.yaml").write_text(SERVICE + "---\n" + route("site"))
    (tmp_path / "b.yaml").write_text(route("site").replace("name: site, ", "name: copy, "))
    code, found = findings(tmp_path)
    assert code == 1 and [(f["name"], f["rule"]) for f in found] == [("copy", "FQDNConflict")]


def test_lint__notices_alone__exit_0(tmp_path):
    (tmp_path / "a.yaml").write_text(SERVICE.replace("namespace: team}", "namespace: team, annotations: "
                                                     "{contour.heptio.com/max-connections: many}}"))
    code, found = findings(tmp_path)
    assert code == 0 and [(f["rule"], f["severity"]) for f in found] == [("AnnotationInvalid", "notice")]


def test_lint__missing_service__exit_1_unless_the_files_are_said_to_be_partial(tmp_path):
    (tmp_path / "a.yaml").write_text(route("site"))
    code, found = findings(tmp_path)
    assert code == 1 and [(f["rule"], f["severity"]) for f in found] == [("ServiceNotFound", "warning")]
    code, found = findings("--partial", tmp_path)
    assert code == 0 and [(f["rule"], f["severity"]) for f in found] == [("ServiceNotFound", "notice")]
    code, found = findings("--partial", "--strict-references", tmp_path)
    assert code == 1 and [(f["rule"], f["severity"]) for f in found] == [("ServiceNotFound", "error")]


@pytest.mark.parametrize("text", ["a: [1, 2", "\tkind: x", "{", "kind: IngressRoute\nkind: Service\n"],
                         ids=["open", "tab", "brace", "duplicate-key"])
def test_lint__unreadable_file__exit_1_and_says_where(tmp_path, text):
    (tmp_path / "broken.yaml").write_text(text)
    code, out, err = lint(tmp_path / "broken.yaml")
    assert code == 1 and "broken.yaml" in out + err


def test_lint__no_such_file__exit_1_and_no_argument__exit_2(tmp_path):
    code, _, err = lint(tmp_path / "missing.yaml")
    assert code == 1 and "missing.yaml" in err
    assert lint()[0] == 2
    assert lint("--no-such-flag", tmp_path)[0] == 2


@pytest.mark.parametrize("folder", ["crds", "base", "envoy"])
def test_lint__our_manifests__clean(folder):
    assert findings(ROOT / "manifests" / folder)[0] == 0


def test_help__every_command__exit_0():
    for command in ("serve", "certgen", "lint", "version"):
        done = subprocess.run([binary("gatehouse"), command, "--help"], capture_output=True, text=True)
        assert done.returncode == 0 and command in done.stdout, command
    assert subprocess.run([binary("gatehouse")], capture_output=True).returncode == 2
    version = subprocess.run([binary("gatehouse"), "version"], capture_output=True, text=True)
    assert version.returncode == 0 and version.stdout.strip()
