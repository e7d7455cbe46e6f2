# SPDX-License-Identifier: Apache-2.0
"""Every scenario file, against the cluster and through `gatehouse lint`."""

import itertools

import pytest

from harness import lint
from harness.runner import Runner
from harness.scenario import Scenario, load_all

# Grouped by flags: a server is started once for each group.
SCENARIOS = sorted(load_all(), key=lambda s: (s.group, s.name))
_identities = itertools.count(1)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario__on_cluster__admission_and_status_as_written(scenario, pool, kube):
    own = Scenario(scenario.path, identity=f"s{next(_identities)}")
    server = pool.with_flags(own.flags)
    problems = Runner(kube, own).run()
    if problems:
        problems.append(server.process.output()[-1500:])
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario__through_lint__same_findings(scenario, tmp_path):
    if "skip" in scenario.lint:
        pytest.skip(f"not a question for lint: {scenario.lint['skip']}")
    problems = lint.problems(scenario, tmp_path)
    assert not problems, "\n".join(problems)
