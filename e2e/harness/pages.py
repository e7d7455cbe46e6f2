# SPDX-License-Identifier: Apache-2.0
"""Pages of the documentation: the commands in them, and a reader who types them one after the other."""

import dataclasses
import os
import re
import signal
import subprocess

from .basics import until

FENCE = re.compile(r"^( *)```(\w*)$")


@dataclasses.dataclass
class Command:
    page: str
    line: int
    text: str
    shows: str = None  # what the page says comes out; None: it says nothing

    def __str__(self):
        return f"{self.page}:{self.line}: {self.text}"


def blocks(path):
    """(language, number of the first line, lines without their indent) of each fenced block."""
    found, block = [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fence = FENCE.match(line)
        if block is None and fence:
            block = (fence[2], number + 1, [])
            indent = len(fence[1])
        elif fence:
            found.append(block)
            block = None
        elif block:
            block[2].append(line[indent:])
    assert block is None, f"{path}: a block does not end"
    return found


# In running text: what only looks. The rest there names a command and is none to be typed.
LOOKS = re.compile(r"`((?:kubectl(?: -n [\w-]+)? (?:get|describe) [\w,]+(?: [\w-]+)*|gatehouse help [a-z]+))`")


def looks(path, name):
    """The commands in a page's running text that look at something."""
    text = path.read_text()
    for language, _, lines in blocks(path):
        text = text.replace("\n".join(lines), "")
    return [Command(name, 0, found) for found in LOOKS.findall(text)]


def commands(path, name):
    """The commands of a page's sh and console blocks, in order."""
    found = []
    for language, first, lines in blocks(path):
        read = {"sh": _script, "console": _transcript}.get(language)
        if read:
            found += [Command(name, first + i, text, shows) for i, text, shows in read(lines)]
    return found


def _script(lines):
    begin, text = 0, ""
    for i, line in enumerate(lines):
        begin, text = (begin, text + "\n" + line) if text else (i, line)
        here = re.search(r"<<'?(\w+)", text)
        if text.endswith("\\") or (here and line != here[1]) or (text.startswith("for ") and line != "done"):
            continue
        if text.strip() and not text.startswith("#"):
            yield begin, re.sub(r"\s+#\s.*$", "", text), None
        text = ""


def _transcript(lines):
    """`$ command`, then what it shows until the next one."""
    starts = [i for i, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, starts[1:] + [len(lines)]):
        yield start, lines[start][2:], "\n".join(lines[start + 1:end]).strip()


def is_shown(shows, came):
    """Whether this came out, however the page breaks its lines; `...` stands for anything."""
    parts = [r"\s+".join(map(re.escape, part.split())) for part in shows.split("...")]
    return re.fullmatch(r"\s*" + r".*".join(r"\s*" + p + r"\s*" for p in parts) + r"\s*", came, re.DOTALL) is not None


class Reader:
    """One shell for a page: what is changed to, set and left running stays. `between` is called while it works."""

    def __init__(self, directory, path, environment, between):
        self.directory, self.between, self.count = directory, between, 0
        self.notes = directory.parent / "reader"
        self.notes.mkdir()
        (self.notes / ".curlrc").write_text("fail\nsilent\nshow-error\n")  # an answer that is an error fails the command
        self.shell = subprocess.Popen(["bash", "--norc", "-o", "pipefail"], stdin=subprocess.PIPE, text=True, cwd=directory,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                                      env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}", "HOME": str(self.notes),
                                           "LC_ALL": "C.UTF-8", **environment})

    def type(self, command, patience=60):
        """(exit code, what came out on both streams). What is forwarded is waited for, as a person would."""
        self.count += 1
        out, code = self.notes / f"{self.count}.out", self.notes / f"{self.count}.code"
        self.shell.stdin.write(f"touch ~/forwarded; . ~/forwarded\n{{ {command}\n}} </dev/null >{out} 2>&1\n"
                               f"echo $? >{code}.new; mv {code}.new {code}\n")
        self.shell.stdin.flush()
        forwards = "port-forward" in command

        def done():
            assert self.shell.poll() is None, "the shell has ended"
            self.between()
            return code.exists() and (not forwards or "Forwarding from" in out.read_text())
        try:
            until(done, f"the end of {command!r}", patience, 0.02)
        except AssertionError as e:
            raise AssertionError(f"{e}:\n{out.read_text() if out.exists() else ''}") from None
        return int(code.read_text()), out.read_text()

    def close(self):
        """The shell, and what it left running in the background."""
        os.killpg(self.shell.pid, signal.SIGKILL)
        self.shell.wait()
