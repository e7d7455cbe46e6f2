# SPDX-License-Identifier: Apache-2.0
"""What makes pods of manifests: just enough of controllers, scheduler and kubelet that an installation comes to its end.

The certgen Job runs for real; the Deployment is one gatehouse with the certificates of the Secrets, and devkube is told
where the webhook's Service leads."""

import base64
import subprocess
import time

from .basics import binary
from .cluster import NAMESPACE
from .envoy import Envoy
from .server import EnvoyPorts, Server
from .traffic import start_configuration

SECRETS = ("gatehouse-webhook-tls", "gatehouse-xds-tls", "envoy-xds-tls")
COMPLETE = {"status": {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}}
WORKLOADS = {"deployments": "apps/v1", "daemonsets": "apps/v1", "jobs": "batch/v1"}


class Installation:
    def __init__(self, cluster, directory):
        self.cluster, self.kube, self.directory = cluster, cluster.kube(), directory
        self.server, self.envoy, self.next = None, None, 0

    def step(self):
        """What the controllers would do now; called over and over while somebody waits. Looks ten times a second."""
        if time.monotonic() < self.next:
            return
        for resource, work in (("jobs", self._job), ("deployments", self._deployment), ("daemonsets", self._daemonset)):
            path = f"/apis/{WORKLOADS[resource]}/namespaces/{NAMESPACE}/{resource}"
            for obj in self.kube.request("GET", path).body.get("items") or []:
                status = None if self._is_current(obj) else work(obj)
                if status:
                    status["status"]["observedGeneration"] = obj["metadata"]["generation"]
                    answer = self.kube.request("PATCH", f"{path}/{obj['metadata']['name']}/status", status,
                                               "application/merge-patch+json")
                    assert answer.ok, answer
        self.next = time.monotonic() + 0.1

    @staticmethod
    def _is_current(obj):
        return obj.get("status", {}).get("observedGeneration") == obj["metadata"]["generation"]

    def _job(self, obj):
        args = [a for a in obj["spec"]["template"]["spec"]["containers"][0]["args"] if a != "--incluster"]
        done = subprocess.run([binary("gatehouse"), *args, "--kubeconfig", self.cluster.kubeconfig], capture_output=True, text=True)
        return COMPLETE if done.returncode == 0 else None  # else again, as its backoff would

    def _deployment(self, obj):
        if not self.server and not self._start():
            return None
        n = obj["spec"]["replicas"]
        return {"status": {"replicas": n, "updatedReplicas": n, "readyReplicas": n, "availableReplicas": n}}

    @staticmethod
    def _daemonset(_):
        return {"status": {"desiredNumberScheduled": 1, "currentNumberScheduled": 1, "updatedNumberScheduled": 1,
                           "numberReady": 1, "numberAvailable": 1, "numberMisscheduled": 0}}

    def _start(self):
        """Once its Secrets are there, as kubelet would."""
        secrets = {name: self.kube.get("Secret", NAMESPACE, name) for name in SECRETS}
        if not all(secrets.values()):
            return False
        for name, secret in secrets.items():
            (self.directory / name).mkdir(parents=True)
            for file, data in secret["data"].items():
                (self.directory / name / file).write_bytes(base64.b64decode(data))
        self.server = Server(self.cluster, self.directory, certificates=self.directory / "gatehouse-webhook-tls",
                             envoy_ports=EnvoyPorts()).start()
        answer = self.kube.request("POST", "/devkube/services",
                                   {f"{NAMESPACE}/gatehouse-webhook": f"127.0.0.1:{self.server.webhook_port}"})
        assert answer.ok, answer
        return True

    def start_envoy(self, program):
        """A pod of the DaemonSet, for those who want an answer."""
        self.envoy = Envoy(program, self.directory, lambda admin: start_configuration(
            self.server.xds_port, self.directory / "envoy-xds-tls", admin, self.directory)).start()

    def stop(self):
        if self.envoy:
            self.envoy.kill()
        if self.server:
            self.server.kill()
        self.kube.close()
