# SPDX-License-Identifier: Apache-2.0
"""What the docs say of flags, rules and metrics is what the program says."""

import subprocess

import pytest

from harness.basics import ROOT, binary


@pytest.mark.parametrize("page, argv", [
    ("flags.md", ["help", "--markdown"]), ("rules.md", ["help", "rules", "--markdown"]),
    ("metrics.md", ["help", "metrics", "--markdown"])])
def test_docs__page_from_a_table__is_what_the_program_prints(page, argv):
    printed = subprocess.run([binary("gatehouse"), *argv], capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs" / page).read_text() == printed, "run `make docs`"
