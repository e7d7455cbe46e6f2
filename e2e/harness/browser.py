# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium that one talks to over pipes (Chrome DevTools Protocol, --remote-debugging-pipe)."""

import base64
import json
import os
import select
import shutil
import subprocess
import time

from .basics import _die_with_parent
from .venv import Missing


def chromium_binary():
    found = shutil.which("chromium")
    if not found:
        raise Missing("chromium is not installed (make deps-e2e)")
    return found


class Browser:
    def __init__(self, binary, directory):
        to_read, self.to_write = os.pipe()
        self.to_hear, to_answer = os.pipe()

        def hand_over():
            _die_with_parent()
            # The ends may be 3 or 4 already: first out of the way.
            a, b = os.dup(to_read), os.dup(to_answer)
            os.dup2(a, 3)
            os.dup2(b, 4)
        with open(directory / "chromium.log", "wb") as log:
            self.child = subprocess.Popen(
                [binary, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND, "
                 "EXCLUDE 127.0.0.1", f"--user-data-dir={directory / 'profile'}", "--remote-debugging-pipe", "about:blank"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(3, 4, to_read, to_answer),
                preexec_fn=hand_over)
        os.close(to_read)
        os.close(to_answer)
        self.buffer, self.number, self.events = b"", 0, []
        target = self.send("Target.createTarget", {"url": "about:blank"}, session=None)["targetId"]
        self.session = self.send("Target.attachToTarget", {"targetId": target, "flatten": True}, session=None)["sessionId"]
        self.send("Page.enable")

    def _read(self, deadline):
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.to_hear], [], [], left)[0]:
                raise AssertionError("Chromium does not answer")
            piece = os.read(self.to_hear, 1 << 20)
            assert piece, "Chromium ended"
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def send(self, method, parameters=None, session="own", timeout=60):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters or {}}
        if session:
            message["sessionId"] = self.session
        os.write(self.to_write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + timeout
        while True:
            answer = self._read(deadline)
            if answer.get("id") == self.number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer.get("method"))

    def open(self, url, width=1200, height=900, dark=False, script=True):
        """Loads a page and waits until it is there."""
        self.send("Emulation.setDeviceMetricsOverride",
                  {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
        self.send("Emulation.setEmulatedMedia",
                  {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        self.send("Emulation.setScriptExecutionDisabled", {"value": not script})
        self.events.clear()
        error = self.send("Page.navigate", {"url": url}).get("errorText")
        assert not error, f"{url}: {error}"
        self.await_load()

    def await_load(self, timeout=60):
        """Until a page is there; forget what came before by events.clear()."""
        deadline = time.monotonic() + timeout
        while "Page.loadEventFired" not in self.events:
            self.events.append(self._read(deadline).get("method"))

    def evaluate(self, expression):
        result = self.send("Runtime.evaluate", {"expression": expression, "returnByValue": True})
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def screenshot(self, path):
        picture = self.send("Page.captureScreenshot", {"format": "png"})["data"]
        path.write_bytes(base64.b64decode(picture))

    def stop(self):
        self.child.kill()
        self.child.wait()
        os.close(self.to_write)
        os.close(self.to_hear)
