"""LPAI: loaded by name, unverified without the SDK's facts, its own rules."""

from __future__ import annotations

import pytest
import torch
from executorch.backends.qualcomm.serialization.qc_schema import QnnExecuTorchBackendType
from torch import nn

from qnnsolve import solve
from qnnsolve.constraints import Forbid, Site
from qnnsolve.encodings import FP16
from qnnsolve.errors import UnverifiedError, UsageError
from qnnsolve.facts.graph import Graph
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.results import Placement, Status
from qnnsolve.rules import Facts, own_rules
from qnnsolve.rules.request import Request, precision
from tests.rules.graphs import RELU, X

NET = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())
SAMPLE = (torch.zeros(1, 3, 8, 8),)


def _facts(ask: str) -> Facts:
    return Facts.of(Graph.of((X, RELU)), operator_facts("lpai", "V6"), Request.of(precision(ask)))


def test_lenient_leaves_every_op_float_and_names_it() -> None:
    result = solve(NET, SAMPLE, backend="lpai", soc="SM8850", strict=False)
    assert (result.status, result.backend, result.arch) == (Status.SATISFIABLE, "lpai", "V6")
    assert [target for _, target in result.unverified] == [
        "aten.conv2d.default",
        "aten.relu.default",
        "aten.flatten.using_ints",
    ]
    assert {node.placement for node in result.nodes} == {Placement.CPU}
    assert not result.converts


def test_strict_names_them_all() -> None:
    with pytest.raises(
        UnverifiedError, match=r"3 node\(s\) without facts for LPAI V6 \(SM8850\): conv2d .* relu .*"
    ) as e:
        solve(NET, SAMPLE, backend="lpai", soc="SM8850")
    assert len(e.value.nodes) == 3


def test_the_quantizer_hands_upstream_the_right_backend() -> None:
    assert SolveQuantizer("lpai", "SM8850").backend is QnnExecuTorchBackendType.kLpaiBackend
    assert SolveQuantizer("htp", "SM8850").backend is QnnExecuTorchBackendType.kHtpBackend
    assert SolveQuantizer(QnnExecuTorchBackendType.kLpaiBackend, "SAR2230P").backend is not None
    with pytest.raises(UsageError, match="SM8350 has no LPAI"):
        SolveQuantizer("lpai", "SM8350")


def test_half_precision_is_forbidden_where_it_could_be_chosen() -> None:
    (rule,) = [rule for rule in own_rules("lpai") if rule.code == "QL001"]
    found = list(rule.generate(_facts("fp16a8w")))
    assert {c.site for c in found if isinstance(c, Forbid) and c.encodings == {FP16}} == {
        Site("x"),
        Site("x", "relu"),
        Site("relu"),
    }
    assert list(rule.generate(_facts("8a8w"))) == []


def test_every_rule_says_why_and_what_instead() -> None:
    for rule in own_rules("lpai"):
        assert rule.code.startswith("QL")
        assert "Why:" in rule.doc and "Instead:" in rule.doc
