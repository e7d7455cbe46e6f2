# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus (Debian's), and the questions that a dashboard asks it."""

import http.client
import json
import math
import pathlib
import shutil
import subprocess
import urllib.parse

import yaml

from .basics import ROOT, Process, free_port, until

MONITORING = ROOT / "manifests" / "monitoring"


def promtool(*args, stdin=None):
    """(exit code, what it printed)"""
    assert shutil.which("promtool"), "promtool is not there: run `make deps`"
    done = subprocess.run(["promtool", *map(str, args)], input=stdin, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


class Prometheus:
    """One server with this configuration (a dict); it keeps what it has seen in its own directory."""

    def __init__(self, directory, configuration, name="prometheus"):
        self.directory, self.name = pathlib.Path(directory), name
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        path = self.directory / f"{name}.yaml"
        path.write_text(yaml.safe_dump(configuration))
        self.process = Process(["prometheus", "--config.file", path, "--storage.tsdb.path", self.directory / f"{name}.data",
                                "--web.listen-address", f"127.0.0.1:{self.port}", "--log.level", "warn"],
                               self.directory / f"{name}.log")

        def ready():
            assert self.process.running(), f"Prometheus ended:\n{self.process.output()[-3000:]}"
            return self._get("/-/ready")[0] == 200
        until(ready, "Prometheus to be ready", 30)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError as e:
            return 0, str(e)
        finally:
            connection.close()

    def api(self, path, **parameters):
        """What is in "data" of the answer."""
        status, text = self._get(f"/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}")
        assert status == 200, f"Prometheus: {path} {parameters}: {status} {text}"
        return json.loads(text)["data"]

    def query(self, expression):
        """[(labels, value)] now, without what is not a number."""
        found = [(r["metric"], float(r["value"][1])) for r in self.api("query", query=expression)["result"]]
        return [(labels, value) for labels, value in found if not math.isnan(value)]

    def until(self, expression, what=None, good=bool, timeout=30):
        """The result of a query, once it has one (or one that is good)."""
        last = None

        def asked():
            nonlocal last
            last = self.query(expression)
            return good(last) and (last or True)
        try:
            return until(asked, what or expression, timeout, 0.1)
        except AssertionError as e:
            raise AssertionError(f"{e}; the last answer to {expression}: {last}") from None

    def series(self, selector):
        """The label sets of this selector's series."""
        return self.api("series", **{"match[]": selector})

    def close(self):
        self.process.kill()


def dashboard_queries():
    """[(dashboard, panel's title, query)] of all dashboards."""
    for path in sorted((MONITORING / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield path.stem, panel["title"], target["expr"]


def as_grafana_asks(query, cluster=".*", interval="20s"):
    return query.replace("$cluster", cluster).replace("$__rate_interval", interval)
