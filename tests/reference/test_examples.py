"""Every rule has a config that breaks it, which the rule refuses, and the mended one, which every rule accepts."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from qnnsolve.cli import main
from qnnsolve.constraints import Constraint, Prefer, Problem, Site
from qnnsolve.encodings import Encoding
from qnnsolve.reference.example_graphs import EXAMPLES
from qnnsolve.reference.examples import broken_config
from qnnsolve.reference.rules import rule_views
from qnnsolve.rules import problem_of
from qnnsolve.solver import check, solve
from qnnsolve.solver.answers import Solution

CODES = sorted(view.code for view in rule_views())


def test_every_rule_has_an_example() -> None:
    assert sorted(EXAMPLES) == CODES and broken_config("QX001") is None


def violated(constraints: Sequence[Constraint], problem: Problem, config: dict[Site, Encoding]) -> list[Constraint]:
    found = []
    for each in constraints:
        alone = Problem({site: problem.domains[site] for site in each.sites if site in config}, ())
        if len(alone.domains) < len(set(each.sites)):
            continue
        verdict = check(Problem(alone.domains, (each,)), {site: config[site] for site in alone.domains})
        if not verdict.legal or (isinstance(each, Prefer) and verdict.cost):
            found.append(each)
    return found


@pytest.mark.parametrize("code", CODES)
def test_the_rule_refuses_the_broken_config_and_accepts_the_mended_one(code: str) -> None:
    example = broken_config(code)
    assert example is not None and example.graph
    facts = EXAMPLES[code].facts()
    problem = problem_of(facts)
    by_name = {f"{facts.owner(site)} {facts.port(site).name}": site for site in problem.domains}
    domains = problem.domains
    names = {
        (site, encoding.name): encoding
        for site, domain in domains.items()
        for encoding in (*domain, *([EXAMPLES[code].no_candidate[1]] if EXAMPLES[code].no_candidate else []))  # type: ignore[index]
    }
    broken = {by_name[port]: names[by_name[port], told] for port, told, _ in example.ports}
    mended = {by_name[port]: names[by_name[port], told] for port, _, told in example.ports}
    assert broken != mended
    outcome = solve(problem)
    assert isinstance(outcome, Solution) and outcome.encodings.items() >= mended.items()
    if code == "QC011":
        ((site, encoding),) = broken.items()
        reason = problem.left_out(site).why(encoding)
        assert reason is not None and reason.rule == "QC011"
        return
    own = [each for each in problem.constraints if each.reason.rule == code]
    assert own and violated(own, problem, broken)
    assert example.dearer == any(isinstance(each, Prefer) for each in own)
    if not example.dearer:
        assert not violated(own, problem, mended)
    if example.only:
        others = [e for e in problem.constraints if e.reason.rule != code and not isinstance(e, Prefer)]
        assert not violated(others, problem, broken)


def test_the_command_shows_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rule", "QH002"]) == 0
    out = capsys.readouterr().out
    assert "For example, on HTP V79, 8a8w" in out and "relu = relu(conv)" in out
    assert main(["rule", "QC006"]) == 0
    assert "it makes dearer" in capsys.readouterr().out
    assert main(["rule", "QC001", "--format", "json"]) == 0
    ports = json.loads(capsys.readouterr().out)["example"]["ports"]
    assert {each["port"]: (each["broken"], each["mended"]) for each in ports}["matmul in[1]"] == ("u16", "u8")
