# SPDX-License-Identifier: Apache-2.0
"""The examples are right: through lint, and in a cluster."""

import json
import subprocess

import yaml

from harness.basics import ROOT, binary, until
from harness.kube import KINDS

EXAMPLES = ROOT / "examples"
FILES = sorted(EXAMPLES.glob("*.yaml"))
WAITING = {"TLSSecretNotFound", "UpstreamCANotFound"}  # certificates are not kept in files


def test_examples__through_lint__only_certificates_are_missing():
    done = subprocess.run([binary("gatehouse"), "lint", "--partial", "-o", "json", *FILES], capture_output=True, text=True)
    findings = json.loads(done.stdout)["findings"]
    assert {f["rule"] for f in findings} == WAITING, findings
    assert done.returncode == 0, "what is not in the files is a notice"


def test_examples__applied__valid_but_for_certificates(server, kube):
    applied = []
    try:
        for path in FILES:
            for obj in yaml.safe_load_all(path.read_text()):
                if obj["kind"] in KINDS:
                    kube.apply(obj)
                    applied.append(obj)
        routes = [o for o in applied if o["kind"] == "IngressRoute"]
        assert len(routes) > 10

        def judged():
            stored = [kube.get("IngressRoute", o["metadata"]["namespace"], o["metadata"]["name"]) for o in routes]
            reasons = {o["metadata"]["name"]: next((c["reason"] for c in o.get("status", {}).get("conditions", [])), None)
                       for o in stored}
            wrong = {name: reason for name, reason in reasons.items() if reason not in WAITING | {"Valid"}}
            return None if wrong else reasons
        reasons = until(judged, "every example to be valid")
        assert sum(reason == "Valid" for reason in reasons.values()) == len(reasons) - 3
    finally:
        for obj in reversed(applied):
            kube.delete(obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"])
