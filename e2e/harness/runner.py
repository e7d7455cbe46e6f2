# SPDX-License-Identifier: Apache-2.0
"""Runs a scenario against an API server whose webhook and status controller are gatehouse."""

import time

from .basics import until
from .scenario import key_of, split_key

PATIENCE = 5.0  # how long a verdict or a status may take to become what it must be
UNGUARDED = {"gatehouse-e2e": "unguarded"}


class Runner:
    def __init__(self, kube, scenario):
        self.kube, self.scenario = kube, scenario
        self.made = {}  # key -> object, in order of creation
        self.problems = []

    def run(self):
        """All steps; returns what was not as expected."""
        try:
            for step in self.scenario.steps:
                self._step(step)
                if self.problems:
                    break  # what follows stands on this step
        finally:
            self._clean_up()
        return self.problems

    def _problem(self, step, what):
        self.problems.append(f"{self.scenario.path.name}: {step.about}: {what}")

    def _await_next_second(self):
        """Until the API server gives out a later creationTimestamp than so far; they have whole seconds."""
        probe = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "what-time-is-it"}}

        def stamp():
            return self.kube.create(probe, dryRun="All").body["metadata"]["creationTimestamp"]
        first = stamp()
        until(lambda: stamp() > first, "the next second")

    def _step(self, step):
        if step.later:
            self._await_next_second()
        for obj, verdict, unguarded in step.applies:
            self._ensure_namespace(obj)
            problem = self._apply_unguarded(obj) if unguarded else self._apply(obj, verdict, step.at_once)
            if problem:
                self._problem(step, f"{key_of(obj)}: {problem}")
                return
        for key in step.deletes:
            kind, namespace, name = split_key(key)
            answer = self.kube.delete(kind, namespace, name)
            if not answer.ok:
                self._problem(step, f"delete {key}: {answer}")
            self.made.pop(f"{kind} {key.rpartition(' ')[2]}", None)
        for key, expected in step.status.items():
            problem = self._await_status(key, expected)
            if problem:
                self._problem(step, f"{key}: {problem}")
        # Again, all at one time: nothing that was right has turned wrong meanwhile.
        for key, expected in step.status.items():
            if not self.problems:
                obj = self.kube.get(*split_key(key))
                problem = expected.differs(obj) if obj else "is gone"
                if problem:
                    self._problem(step, f"{key}, looked at again: {problem}")

    def _ensure_namespace(self, obj):
        namespace = obj["metadata"].get("namespace")
        key = f"Namespace {namespace}"
        if namespace and key not in self.made:
            ns = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            answer = self.kube.create(ns)
            assert answer.ok or answer.code == 409, answer
            self.made[key] = ns

    def _send(self, obj, **query):
        if key_of(obj) in self.made:
            return self.kube.replace(obj, **query)
        return self.kube.create(obj, **query)

    def _apply(self, obj, verdict, at_once):
        """A dry run until the verdict is right (the server may still be reading what came before), then the real one."""
        if not at_once:
            deadline = time.monotonic() + PATIENCE
            while True:
                problem = verdict.differs(self._send(obj, dryRun="All"))
                if not problem or time.monotonic() > deadline:
                    break
                time.sleep(0.01)
            if problem:
                return f"(dry run) {problem}"
        answer = self._send(obj)
        if answer.ok:
            self.made[key_of(obj)] = obj
        return verdict.differs(answer)

    def _apply_unguarded(self, obj):
        """Past the webhook by a label; taking the label off is a guarded update of metadata, which is never denied."""
        meta = obj["metadata"]
        labelled = {**obj, "metadata": {**meta, "labels": {**meta.get("labels", {}), **UNGUARDED}}}
        if key_of(obj) in self.made:
            label = {"metadata": {"labels": UNGUARDED}}
            answer = self.kube.merge_patch(obj["kind"], meta.get("namespace"), meta["name"], label)
            if not answer.ok:
                return f"an update of labels was refused: {answer}"
            # Old or new object decide: both carry the label now, so the webhook is not asked.
        answer = self._send(labelled)
        if not answer.ok:
            return f"was refused past the webhook: {answer}"
        self.made[key_of(obj)] = obj
        answer = self.kube.merge_patch(obj["kind"], meta.get("namespace"), meta["name"],
                                       {"metadata": {"labels": {"gatehouse-e2e": None}}})
        return None if answer.ok else f"an update of labels was refused: {answer}"

    def _await_status(self, key, expected):
        deadline = time.monotonic() + PATIENCE
        while True:
            obj = self.kube.get(*split_key(key))
            problem = expected.differs(obj) if obj else "is gone"
            if not problem or time.monotonic() > deadline:
                return problem
            time.sleep(0.01)

    def _clean_up(self):
        for key, obj in reversed(list(self.made.items())):
            if obj["kind"] != "Namespace":
                self.kube.delete(obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"])
        for key, obj in self.made.items():
            if obj["kind"] == "Namespace":
                self._delete_namespace(obj["metadata"]["name"])

    def _delete_namespace(self, name):
        """A real API server waits for a namespace controller, which does not run here: finalize it ourselves."""
        answer = self.kube.delete("Namespace", None, name)
        if answer.ok and answer.body.get("kind") == "Namespace" and answer.body["spec"].get("finalizers"):
            answer.body["spec"]["finalizers"] = []
            self.kube.request("PUT", self.kube.path("Namespace", None, name, "finalize"), answer.body)


