# SPDX-License-Identifier: Apache-2.0
"""Scenario files: what is applied, what each object is told at admission, and what its status says. README.md has the format."""

import copy
import pathlib
import re

import yaml

from . import pki
from .kube import KINDS, api_version

DIRECTORY = pathlib.Path(__file__).resolve().parents[1] / "scenarios"
RULE = re.compile(r"\[([A-Z][A-Za-z]+)\]")
META = ("annotations", "labels")
STEP_KEYS = {"about", "apply", "delete", "status", "repeat", "at_once", "later", "unguarded"}


class ScenarioError(Exception):
    """The file itself is wrong."""


def rules_in(text):
    """The rule names that findings end in."""
    return set(RULE.findall(text))


class Rules:
    """The rules that must be found, and those (`(Rule)`) that may be, where the specification leaves it open."""

    def __init__(self, words):
        self.must = {w for w in words if not w.startswith("(")}
        self.may = {w.strip("()") for w in words if w.startswith("(")}

    def match(self, found):
        return self.must <= found <= self.must | self.may

    def __bool__(self):
        return bool(self.must)

    def __str__(self):
        return " ".join([*sorted(self.must), *(f"({r})" for r in sorted(self.may))])


class Verdict:
    """What an object is told: `allow`, `warn RULE...`, `deny CODE RULE...`, or `schema` (the API server's own 422)."""

    def __init__(self, spec, where):
        says = []
        if isinstance(spec, dict):
            says = spec.get("says", [])
            says = [says] if isinstance(says, str) else says
            spec = spec.get("verdict", "allow")
        words = (spec or "allow").split()
        self.kind, self.says, self.code, self.rules = words[0], says, None, Rules(words[1:])
        if self.kind == "deny":
            self.code, self.rules = int(words[1]), Rules(words[2:])
        if self.kind not in ("allow", "warn", "deny", "schema") or (self.kind in ("warn", "deny") and not self.rules):
            raise ScenarioError(f"{where}: cannot read the expectation {spec!r}")

    def __str__(self):
        return " ".join(filter(None, [self.kind, str(self.code or ""), str(self.rules)]))

    def differs(self, answer):
        """None when the answer is as expected, else what differs."""
        warned = set().union(*[rules_in(w) for w in answer.warnings]) if answer.warnings else set()
        text = "\n".join([answer.message if not answer.ok else "", *answer.warnings])
        if self.kind in ("allow", "warn"):
            if not answer.ok:
                return f"expected {self}, was refused: {answer}"
            if not self.rules.match(warned):
                return f"expected {self}, was warned of {sorted(warned)}: {answer.warnings}"
            long = [w for w in answer.warnings if len(w.encode()) > 250]
            if long:
                return f"warning over 250 bytes: {long}"
        else:
            if answer.ok:
                return f"expected {self}, was allowed: warnings {answer.warnings}"
            code = 422 if self.kind == "schema" else self.code
            if answer.code != code:
                return f"expected {self}, got {answer}"
            # What denies is in the message; what would only have been warned of comes as warnings beside it.
            if self.kind == "deny" and not (rules_in(answer.message) and self.rules.match(rules_in(answer.message) | warned)):
                return f"expected {self}, got the rules {sorted(rules_in(answer.message))}: {answer}"
            if self.kind == "schema" and rules_in(answer.message):
                return f"expected the schema to refuse it, got {answer.message}"
        for needle in self.says:
            if needle not in text:
                return f"expected {needle!r} in: {text}"
        return None


class Expected:
    """What a status says: `valid`, `invalid RULE...`, `orphaned RULE...`, `valid RULE...` (notices), or `none`."""

    def __init__(self, spec, where):
        more = {}
        if isinstance(spec, dict):
            more = {k: v for k, v in spec.items() if k != "is"}
            spec = spec["is"]
        words = spec.split()
        self.state, self.rules = words[0], Rules(words[1:])
        says = more.pop("says", [])
        self.says = [says] if isinstance(says, str) else says
        self.hosts, self.claim = more.pop("hosts", None), more.pop("claim", None)
        self.description, self.reason = more.pop("description", None), more.pop("reason", None)
        if self.state not in ("valid", "invalid", "orphaned", "none") or more:
            raise ScenarioError(f"{where}: cannot read the status {spec!r} {more}")
        if self.state == "invalid" and not self.rules:
            raise ScenarioError(f"{where}: which rule makes it invalid?")

    def differs(self, obj):
        """None when the stored object's status is as expected, else what differs."""
        status = obj.get("status") or {}
        if self.state == "none":
            return f"expected no status, is {status}" if status.get("currentStatus") else None
        if status.get("currentStatus") != self.state:
            return f"expected {self.state}, status is {status}"
        if status.get("observedGeneration") != obj["metadata"].get("generation"):
            return f"status is of generation {status.get('observedGeneration')}, object {obj['metadata'].get('generation')}"
        condition = next((c for c in status.get("conditions", []) if c["type"] == "Valid"), {})
        if condition.get("status") != {"valid": "True"}.get(self.state, "False"):
            return f"condition Valid is {condition}"
        if not self.rules.match(rules_in(condition.get("message", ""))):
            return f"expected the rules {self.rules}, condition is {condition}"
        if self.state == "valid" and condition.get("reason") != "Valid":
            return f"reason of a valid object is {condition.get('reason')}"
        if self.state == "invalid" and condition.get("reason") not in self.rules.must:
            return f"reason is {condition.get('reason')}"
        return self._differs_in_text(status, condition)

    def _differs_in_text(self, status, condition):
        description = status.get("description", "")
        plain = description == "valid IngressRoute"
        if (self.state == "valid" and not self.rules) != plain:
            return f"description is {description!r}"
        if self.state == "valid" and self.rules and not description.startswith("valid IngressRoute; "):
            return f"description is {description!r}"
        if self.description is not None and description != self.description:
            return f"expected the description {self.description!r}, is {description!r}"
        if self.reason is not None and condition.get("reason") != self.reason:
            return f"expected the reason {self.reason}, is {condition.get('reason')}"
        for needle in self.says:
            if needle not in condition.get("message", ""):
                return f"expected {needle!r} in the condition's message: {condition.get('message')!r}"
        if self.hosts is not None and sorted(status.get("virtualHosts") or []) != sorted(self.hosts):
            return f"expected virtualHosts {self.hosts}, are {status.get('virtualHosts')}"
        if self.claim is not None:
            claim = status.get("claim") or {}
            if claim.get("fqdn", "") != self.claim or (self.claim and not (claim.get("since") and claim.get("by"))):
                return f"expected a claim on {self.claim!r}, is {claim}"
        return None


class Step:
    def __init__(self, raw, where):
        unknown = set(raw) - STEP_KEYS
        if unknown:
            raise ScenarioError(f"{where}: unknown keys {sorted(unknown)}")
        self.about = raw.get("about", where)
        self.at_once = raw.get("at_once", False)
        self.later = raw.get("later", False)
        self.deletes = raw.get("delete", [])
        self.status = {key: Expected(spec, f"{where}: {key}") for key, spec in (raw.get("status") or {}).items()}
        self.applies = []  # (object, Verdict, unguarded)
        for i in _range(raw.get("repeat")):
            for key, body in (raw.get("apply") or {}).items():
                body = _substitute(body or {}, i)
                verdict = Verdict(body.pop("expect", None), f"{where}: {key}")
                obj = expand_object(_substitute(key, i), body, where)
                self.applies.append((obj, verdict, raw.get("unguarded", False)))


class Scenario:
    """One file. With an `identity` its namespaces (team-*), names under .example and flags are made its own."""

    def __init__(self, path, identity=None):
        self.path = pathlib.Path(path)
        raw = yaml.safe_load(self.path.read_text())
        unknown = set(raw) - {"about", "flags", "steps", "lint"}
        if unknown:
            raise ScenarioError(f"{path}: unknown keys {sorted(unknown)}")
        self.group = tuple(raw.get("flags", []))
        if identity:
            raw = _rename(raw, identity)
        self.about = raw["about"]
        self.flags = raw.get("flags", [])
        self.lint = raw.get("lint") or {}
        self.steps = [Step(step, f"{self.path.name} step {n}") for n, step in enumerate(raw["steps"], 1)]

    @property
    def name(self):
        return self.path.stem


def load_all():
    return [Scenario(path) for path in sorted(DIRECTORY.glob("*.yaml"))]


def key_of(obj):
    """`Kind namespace/name`, or `Kind name` of what has no namespace."""
    meta = obj["metadata"]
    return f"{obj['kind']} " + "/".join(filter(None, [meta.get("namespace"), meta["name"]]))


def split_key(key):
    """(kind, namespace or None, name); without a kind it is an IngressRoute."""
    kind, _, rest = key.rpartition(" ")
    namespace, _, name = rest.rpartition("/")
    return kind or "IngressRoute", namespace or None, name


def expand_object(key, body, where):
    """`Kind namespace/name` and what is under it -> the object as Kubernetes knows it."""
    kind, namespace, name = split_key(key)
    if kind not in KINDS or bool(namespace) != KINDS[kind][2]:
        raise ScenarioError(f"{where}: cannot read the key {key!r}")
    meta = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    body = _expand_lists(copy.deepcopy(body))
    for k in META:
        if k in body:
            meta[k] = body.pop(k)
    obj = {"apiVersion": api_version(kind), "kind": kind, "metadata": meta}
    if kind == "Secret":
        if "cert" in body:
            body = {"type": "kubernetes.io/tls", "data": pki.tls_data(**body.pop("cert")), **body}
        if body.pop("ca", False):
            body = {"type": "Opaque", "data": pki.ca_data(), **body}
    obj.update(body)
    return obj


def _range(spec):
    if not spec:
        return [None]
    first, last = spec
    return range(first, last + 1)


def _substitute(value, i):
    """$(i), $(i+1) and $(i-1) in every string."""
    if i is None:
        return value
    if isinstance(value, dict):
        return {_substitute(k, i): _substitute(v, i) for k, v in value.items()}
    if isinstance(value, list):
        return [_substitute(v, i) for v in value]
    if isinstance(value, str):
        return value.replace("$(i)", str(i)).replace("$(i+1)", str(i + 1)).replace("$(i-1)", str(i - 1))
    return value


def _expand_lists(value):
    """A list item {repeat: [1, n], item: ...} becomes n items; {text: x, times: n} becomes a long string."""
    if isinstance(value, dict):
        if set(value) == {"text", "times"}:
            return value["text"] * value["times"]
        return {k: _expand_lists(v) for k, v in value.items()}
    if isinstance(value, list):
        out = []
        for item in value:
            if isinstance(item, dict) and set(item) == {"repeat", "item"}:
                out += [_expand_lists(_substitute(item["item"], i)) for i in _range(item["repeat"])]
            else:
                out.append(_expand_lists(item))
        return out
    return value


def _rename(value, identity):
    if isinstance(value, dict):
        return {_rename(k, identity): _rename(v, identity) for k, v in value.items()}
    if isinstance(value, list):
        return [_rename(v, identity) for v in value]
    if isinstance(value, str):
        value = re.sub(r"\b(team-[a-z0-9]+)\b", rf"\1-{identity}", value)
        return re.sub(r"(\.example)\b", rf".{identity}\1", value, flags=re.IGNORECASE)
    return value
