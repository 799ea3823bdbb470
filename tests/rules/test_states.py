"""A buffer that each run writes has one encoding, wherever it is read and written (QC012)."""

from __future__ import annotations

from qnnsolve.constraints import Same, Site
from qnnsolve.facts.graph import Node, Ref
from tests.rules.graphs import call, facts, of_kind, param, placeholder, yielded

CACHE, NEW = param("cache", 1, 4), placeholder("v", 1, 4)
READ = call("read", "relu.default", Ref("cache"))
WRITTEN = call("written", "copy_.default", Ref("cache"), Ref("v"))


def shared(*nodes: Node) -> list[tuple[Site, ...]]:
    return [same.sites for same in of_kind(Same, yielded("QC012", facts(CACHE, NEW, *nodes)))]


def test_what_is_read_and_what_is_written_share() -> None:
    again = call("again", "sigmoid.default", Ref("cache"))
    assert shared(READ, again, WRITTEN) == [(Site("cache", "read"), Site("cache", "again"), Site("written"))]


def test_a_buffer_that_is_read_or_written_alone_shares_nothing() -> None:
    assert shared(READ) == []
    assert shared(WRITTEN) == []


def test_a_buffer_that_is_read_as_a_weight_keeps_the_weight_s_encoding() -> None:
    linear = call("linear", "linear.default", Ref("v"), Ref("cache"))
    assert shared(linear, WRITTEN) == []
    assert shared(linear, READ, WRITTEN) == [(Site("cache", "read"), Site("written"))]


def test_the_report_says_why() -> None:
    (same,) = of_kind(Same, yielded("QC012", facts(CACHE, NEW, READ, WRITTEN)))
    assert same.reason.rule == "QC012" and dict(same.reason.given)["state"] == "cache"
