# SPDX-License-Identifier: Apache-2.0
"""The matchers that all scenarios rest on do notice what is wrong; and every rule has a scenario in both directions."""

import re

import pytest

from harness.basics import ROOT
from harness.client import Load, assert_shares
from harness.kube import Answer, parse_warning
from harness.scenario import Expected, Scenario, Verdict, load_all
from harness.upstream import Upstreams

DENIED = Answer(422, {"message": 'denied: spec.a: Invalid value: "x": no [PathInvalid]'}, [])
WARNED = Answer(201, {}, ["spec.b: Not found [ServiceNotFound]"])
FINE = Answer(201, {}, [])


@pytest.mark.parametrize("spec, answer", [
    ("allow", DENIED), ("allow", WARNED), ("warn ServiceNotFound", FINE), ("warn PathInvalid", WARNED),
    ("warn ServiceNotFound Orphaned", WARNED), ("deny 422 PathInvalid", FINE), ("deny 403 PathInvalid", DENIED),
    ("deny 422 PathDuplicate", DENIED), ("deny 422 PathInvalid PathDuplicate", DENIED), ("schema", DENIED), ("schema", FINE),
    ({"verdict": "deny 422 PathInvalid", "says": "spec.z"}, DENIED),
    ("allow", Answer(201, {}, ["x" * 251])),
])
def test_verdict__something_else_came__is_noticed(spec, answer):
    assert Verdict(spec, "here").differs(answer)


@pytest.mark.parametrize("spec, answer", [
    ("allow", FINE), ("warn ServiceNotFound", WARNED), ("warn ServiceNotFound (Orphaned)", WARNED),
    ("deny 422 PathInvalid", DENIED), ("schema", Answer(422, {"message": "spec.x: Required value"}, [])),
    ({"verdict": "deny 422 PathInvalid", "says": ["spec.a", '"x"']}, DENIED),
])
def test_verdict__as_written__passes(spec, answer):
    assert Verdict(spec, "here").differs(answer) is None


def stored(state="valid", rules=(), reason=None, generation=2, observed=2, **more):
    message = "\n".join(f"spec: x [{r}]" for r in rules)
    description = "valid IngressRoute" + ("; x" if rules else "") if state == "valid" else "spec: x"
    condition = {"type": "Valid", "status": str(state == "valid"), "message": message,
                 "reason": reason or ("Valid" if state == "valid" else rules[0])}
    return {"metadata": {"generation": generation}, "status": {
        "currentStatus": state, "description": description, "observedGeneration": observed, "conditions": [condition], **more}}


@pytest.mark.parametrize("spec, obj", [
    ("valid", stored("invalid", ["PathInvalid"])), ("valid", stored(rules=["DelegateNotFound"])),
    ("valid", stored(observed=1)), ("invalid PathInvalid", stored("invalid", ["PathDuplicate"])),
    ("invalid PathInvalid", stored("invalid", ["PathInvalid"], reason="Other")),
    ("valid DelegateNotFound", stored()), ("none", stored()), ("valid", {"metadata": {"generation": 1}}),
    ({"is": "valid", "hosts": ["a"]}, stored(virtualHosts=["b"])),
    ({"is": "valid", "claim": "a"}, stored()),
    ({"is": "valid", "claim": ""}, stored(claim={"fqdn": "a", "since": "x", "by": "y"})),
])
def test_status__something_else_stands_there__is_noticed(spec, obj):
    assert Expected(spec, "here").differs(obj)


@pytest.mark.parametrize("spec, obj", [
    ("valid", stored()), ("invalid PathInvalid", stored("invalid", ["PathInvalid"])),
    ("valid DelegateNotFound", stored(rules=["DelegateNotFound"])), ("none", {"metadata": {}}),
    ({"is": "valid", "hosts": ["a"], "claim": "a"},
     stored(virtualHosts=["a"], claim={"fqdn": "a", "since": "x", "by": "y"})),
])
def test_status__as_written__passes(spec, obj):
    assert Expected(spec, "here").differs(obj) is None


def test_warning_header__escapes__undone():
    assert parse_warning(r'299 - "a \"b\" \\ c"') == r'a "b" \ c'


def test_scenarios__names__are_made_their_own():
    for scenario in load_all():
        for step in Scenario(scenario.path, "own").steps:
            for obj, _, _ in step.applies:
                namespace = obj["metadata"].get("namespace") or obj["metadata"]["name"]
                assert re.fullmatch(r"team-[a-z0-9]+-own", namespace), (scenario.name, namespace)


def test_scenarios__every_rule__fires_somewhere():
    table = (ROOT / "dag" / "rule.h").read_text()
    rules = set(re.findall(r"RULE\((\w+), [A-Z]+, [A-Z]+,", table))
    fired = set()
    for scenario in load_all():
        for step in scenario.steps:
            for _, verdict, _ in step.applies:
                fired |= verdict.rules.must
            for status in step.status.values():
                fired |= status.rules.must
        fired |= {rule for text in scenario.lint.values() for rule in str(text).split()}
    fired.add("EnvoyRejected")  # no object makes an Envoy refuse: test_envoy_rejected.py
    assert rules and not rules - fired, f"no scenario for {sorted(rules - fired)}: see README.md"


# ---- clients and upstreams of the traffic tests ----

@pytest.fixture
def upstream():
    upstreams = Upstreams()
    yield upstreams.http("web")
    upstreams.close()


def test_load__all_answers_are_right__passes_and_has_counted(upstream):
    with Load(upstream.port, "any.test") as load:
        load.more(50)
    assert load.answered >= 50 and not load.failures


def test_load__one_wrong_answer__fails_and_says_which(upstream):
    with pytest.raises(AssertionError, match=r"1 of \d+ requests failed:\n.*503"):
        with Load(upstream.port, "any.test") as load:
            load.more()
            upstream.statuses = [503]
            load.more(50)


def test_load__connections_are_cut__fails(upstream):
    with pytest.raises(AssertionError, match="requests failed"):
        with Load(upstream.port, "any.test") as load:
            load.more()
            upstream.stop()
            upstream.start()
            load.more()


def test_load__hardly_a_request__is_no_proof(upstream):
    with pytest.raises(AssertionError, match="that shows nothing"):
        with Load(upstream.port, "any.test"):
            pass


def test_shares__weights_swapped__are_noticed():
    with pytest.raises(AssertionError, match="a got 900 of 1000"):
        assert_shares({"a": 900, "b": 100}, {"a": 0.8, "b": 0.2})
