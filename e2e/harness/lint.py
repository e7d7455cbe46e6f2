# SPDX-License-Identifier: Apache-2.0
"""The same scenarios through `gatehouse lint`: all objects as last written, judged together as status judges them.

What is expected of an object: what it was denied for, else what its last status says (an IngressRoute), else what it was
warned of. `lint:` in the file overrides it where files on a disk must read differently from a cluster."""

import json
import subprocess

import yaml

from .basics import binary
from .scenario import Rules, Verdict, key_of, split_key


OF_SERVE_ONLY = {"--admission-mode", "--default-ingress-class", "--write-defaults"}
NOT_ASKED = Verdict("allow", "an object that passed by the webhook")


def final_objects(scenario):
    """key -> (object, Verdict), as last written, in order of first appearance; refused writes count, deleted objects do not."""
    final = {}
    for step in scenario.steps:
        for obj, verdict, unguarded in step.applies:
            final[key_of(obj)] = (obj, NOT_ASKED if unguarded else verdict)
        for key in step.deletes:
            kind, _, _ = split_key(key)
            final.pop(f"{kind} {key.rpartition(' ')[2]}", None)
    return final


def expected_rules(scenario):
    """key -> rules that lint must report for the object; what no expectation speaks about is absent."""
    expected, statuses = {}, {}
    for step in scenario.steps:
        for key, status in step.status.items():
            statuses[f"IngressRoute {key.rpartition(' ')[2]}"] = status.rules
    for key, (obj, verdict) in final_objects(scenario).items():
        if verdict.kind == "deny":
            expected[key] = verdict.rules
        elif obj["kind"] != "IngressRoute":
            expected[key] = verdict.rules
        elif key in statuses:
            expected[key] = statuses[key]
    for key, rules in scenario.lint.items():
        if key not in ("skip",):
            kind, _, _ = split_key(key)
            expected[f"{kind} {key.rpartition(' ')[2]}"] = Rules((rules or "").split())
    return expected


def run(scenario, directory):
    """(exit code, findings) of lint over the scenario's objects."""
    path = directory / f"{scenario.name}.yaml"
    path.write_text(yaml.safe_dump_all([obj for obj, _ in final_objects(scenario).values()], sort_keys=False))
    flags = [f for f in scenario.flags if f.partition("=")[0] not in OF_SERVE_ONLY]
    done = subprocess.run([binary("gatehouse"), "lint", "-o", "json", *flags, str(path)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), f"lint ended with {done.returncode}: {done.stderr}"
    return done.returncode, json.loads(done.stdout)["findings"]


def problems(scenario, directory):
    """What lint reported differently from what is expected."""
    code, findings = run(scenario, directory)
    found = {}
    for finding in findings:
        key = f"{finding['kind']} " + "/".join(filter(None, [finding.get("namespace"), finding["name"]]))
        found.setdefault(key, set()).add(finding["rule"])
    wrong = []
    for key, rules in expected_rules(scenario).items():
        if not rules.match(found.get(key, set())):
            wrong.append(f"{key}: expected {rules}, lint reports {sorted(found.get(key, set()))}")
    if (code == 1) != any(f["severity"] != "notice" for f in findings):
        wrong.append(f"exit code {code} with findings {[(f['rule'], f['severity']) for f in findings]}")
    return wrong
