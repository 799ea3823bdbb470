"""Complaints that people filed, as runs that are asked about: each yields what qnnsolve prints."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence

from qnnsolve.constraints import Constraint, Convertible, Same
from qnnsolve.encodings import Encoding
from qnnsolve.errors import QnnSolveError
from qnnsolve.facts.graph import Graph, Node, Ref
from qnnsolve.facts.socs import soc
from qnnsolve.questions import Clashing, Opened, conflicts_of, places, repairs_of, why, why_not
from qnnsolve.reasons import Reason
from qnnsolve.report.lines import print_lines
from qnnsolve.report.questions import clash_lines, repair_lines, why_lines
from qnnsolve.rules import Facts, Rule, rule
from qnnsolve.rules.own_files import own_rules_in
from qnnsolve.rules.wish_text import wish_of
from qnnsolve.rules.wishes import Strength, Wish
from qnnsolve.runs import Solved
from tests.rules.graphs import call, param, placeholder
from tests.runs.kept import facts, solved

__all__ = ["COMPLAINTS"]

X = placeholder("x", 1, 4, 8)
NORM = (
    X,
    param("scale", 8),
    param("shift", 8),
    call("layer_norm", "layer_norm.default", Ref("x"), (8,), Ref("scale"), Ref("shift"), 1e-5, shape=(1, 4, 8)),
)
BMM = (X, placeholder("y", 1, 8, 4), call("bmm", "bmm.default", Ref("x"), Ref("y"), shape=(1, 4, 4)))
LPBQ = (
    placeholder("x", 1, 32, 8, 8),
    param("weight", 16, 32, 1, 1),
    param("bias", 16),
    call("conv", "conv2d.default", Ref("x"), Ref("weight"), Ref("bias"), shape=(1, 16, 8, 8)),
)
MIXED = (
    X,
    call("sin", "sin.default", Ref("x"), shape=(1, 4, 8)),
    call("erfinv", "erfinv.default", Ref("x"), shape=(1, 4, 8)),
    call("add", "add.Tensor", Ref("sin"), Ref("erfinv"), shape=(1, 4, 8)),
)

BLOCK = (
    X,
    call("split", "reshape.default", Ref("x"), (1, 4, 2, 4), shape=(1, 4, 2, 4)),
    call("heads", "permute.default", Ref("split"), (0, 2, 1, 3), shape=(1, 2, 4, 4)),
    call("turned", "permute.default", Ref("heads"), (0, 1, 3, 2), shape=(1, 2, 4, 4)),
    call("scaled", "relu.default", Ref("turned"), shape=(1, 2, 4, 4)),
    call("merged", "permute.default", Ref("scaled"), (0, 2, 1, 3), shape=(1, 4, 2, 4)),
    call("joined", "reshape.default", Ref("merged"), (1, 4, 8), shape=(1, 4, 8)),
    call("sum", "add.Tensor", Ref("joined"), Ref("joined"), shape=(1, 4, 8)),
    call("fold", "reshape.default", Ref("sum"), (4, 8), shape=(4, 8)),
)


def _transformer() -> Iterator[Node]:
    """A whole block: norm, four projections around attention with two heads, a sum; norm, two linears, a sum."""
    tokens, heads = (1, 4, 8), (1, 2, 4, 4)
    yield X
    for name in ("norm1", "norm2"):
        yield from (param(f"{name}_scale", 8), param(f"{name}_shift", 8))
    for name, rows, columns in (("q", 8, 8), ("k", 8, 8), ("v", 8, 8), ("o", 8, 8), ("up", 16, 8), ("down", 8, 16)):
        yield from (param(f"{name}_weight", rows, columns), param(f"{name}_bias", rows))

    def norm(name: str, read: str) -> Node:
        scale, shift = Ref(f"{name}_scale"), Ref(f"{name}_shift")
        return call(name, "layer_norm.default", Ref(read), (8,), scale, shift, 1e-5, shape=tokens)

    def linear(name: str, read: str, shape: tuple[int, ...] = tokens) -> Node:
        weight, bias = Ref(f"{name}_weight"), Ref(f"{name}_bias")
        return call(name, "linear.default", Ref(read), weight, bias, shape=shape)

    yield norm("norm1", "x")
    for name in ("q", "k", "v"):
        yield linear(name, "norm1")
        yield call(f"{name}_split", "reshape.default", Ref(name), (1, 4, 2, 4), shape=(1, 4, 2, 4))
        yield call(f"{name}_heads", "permute.default", Ref(f"{name}_split"), (0, 2, 1, 3), shape=heads)
    yield call("k_turned", "permute.default", Ref("k_heads"), (0, 1, 3, 2), shape=heads)
    yield call("scores", "matmul.default", Ref("q_heads"), Ref("k_turned"), shape=heads)
    yield call("softmax", "softmax.int", Ref("scores"), -1, shape=heads)
    yield call("mixed", "matmul.default", Ref("softmax"), Ref("v_heads"), shape=heads)
    yield call("merged", "permute.default", Ref("mixed"), (0, 2, 1, 3), shape=(1, 4, 2, 4))
    yield call("joined", "reshape.default", Ref("merged"), tokens, shape=tokens)
    yield linear("o", "joined")
    yield call("sum1", "add.Tensor", Ref("o"), Ref("x"), shape=tokens)
    yield norm("norm2", "sum1")
    yield linear("up", "norm2", (1, 4, 16))
    yield call("gelu", "gelu.default", Ref("up"), shape=(1, 4, 16))
    yield linear("down", "gelu")
    yield call("sum2", "add.Tensor", Ref("down"), Ref("sum1"), shape=tokens)


def printed(*asked: tuple[str, Sequence[object]]) -> str:
    """What is printed, with the command in front of each."""
    out = io.StringIO()
    for at, (command, lines) in enumerate(asked):
        print("\n" * (at > 0) + f"$ qnnsolve {command}", file=out)
        print_lines(tuple(lines), out)  # type: ignore[arg-type]
    return out.getvalue()


def run(nodes: Sequence[Node], chip: str = "SM8350", ask: str = "16a16w", wishes: Sequence[Wish] = ()) -> Solved:
    return solved(facts(Graph.of(tuple(nodes)), chip, ask, wishes))


def whys(of: Solved, *asked: str) -> str:
    opened = Opened.of(of)
    answers = []
    for text in asked:
        place, _, value = text.partition(" ")
        found = [
            answer
            for each in places(opened, place)
            for answer in ([why_not(opened, each, value)] if value else why(opened, each))
        ]
        answers.append((f"why{'-not' if value else ''} net.qnn {text}", tuple(why_lines(found))))
    return printed(*answers)


def clashes(of: Solved) -> str:
    clashing = Clashing.of(of)
    told = tuple(clash_lines(conflicts_of(clashing)))
    return printed(("conflicts net.qnn", told), ("repairs net.qnn", tuple(repair_lines(repairs_of(clashing)))))


def refused(command: str, doing: Callable[[], object]) -> str:
    try:
        doing()
    except QnnSolveError as error:
        return f"$ qnnsolve {command}\nerror: {error}\n"
    raise AssertionError("it is not refused")


def pin(where: str, what: str, words: str) -> Wish:
    return wish_of(where, what, Strength.PIN, words)


def half_and_integers() -> object:
    wish = wish_of("sin", "8a", Strength.PREFER, "prefer sin=8a")
    return run(MIXED, ask="fp16a8w", wishes=[wish])


@rule("MY001")
def no_convert(given: Facts) -> Iterator[Constraint]:
    """No convert stands anywhere: every edge has its producer's encoding."""
    from qnnsolve.rules import problem_of

    for each in problem_of(given).constraints:
        if isinstance(each, Convertible):
            yield Same(each.sites, Reason.in_words("MY001", "no converts in our products"))


@rule("MY002")
def converts_for_products(given: Facts) -> Iterator[Constraint]:
    """A convert stands before the second operand of a matrix product alone."""
    from qnnsolve.rules import problem_of

    products = {node.name for node in given.graph if node.target == "aten.matmul.default"}
    for each in problem_of(given).constraints:
        if isinstance(each, Convertible) and each.target.user not in products:
            yield Same(each.sites, Reason.in_words("MY002", "we convert for products alone"))


def chain(nodes: Sequence[Node], last: str, mine: Rule = no_convert) -> str:
    wishes = [pin("x@out", "u8", "--pin x@out=u8"), pin(f"{last}@out", "u16", f"--pin {last}@out=u16")]
    given = facts(Graph.of(tuple(nodes)), "SM8750", "16a8w", wishes)
    (own,) = own_rules_in([mine], ())
    return clashes(solved(given, *own.generate(given)))


def annotated() -> str:
    words = "custom annotation annotate_matmul"
    encoding = Encoding.of_name("s16").name
    return clashes(run(BMM, ask="16a8w", wishes=[pin("bmm@in[1]", encoding, words), pin("bmm@in[0]", "u16", words)]))


COMPLAINTS: Mapping[str, Callable[[], str]] = {
    "A layer norm at 16 bits on V68 (17296)": lambda: whys(run(NORM), "layer_norm.in[1]"),
    "A product of two 16-bit activations on V68 (18280)": lambda: whys(run(BMM), "bmm.in[1]", "bmm 16a16w"),
    "A chip that nobody knows yet (16535)": lambda: refused("solve net.py:net --soc SM8999", lambda: soc("SM8999")),
    "Integers and half precision in one program (19132)": lambda: refused(
        "solve net.py:net --soc SM8350 --precision fp16a8w --prefer sin=8a", half_and_integers
    ),
    "A node that reads quantized and float values (18996)": lambda: whys(
        run(MIXED, "SM8750", "8a8w"), "add.in[1]", "add.in[1] float"
    ),
    "What stayed on the CPU, and why (12703)": lambda: whys(run(MIXED, "SM8750", "8a8w"), "erfinv"),
    "Blocks of 4 bits on V68": lambda: whys(run(LPBQ, ask="16a4w_block"), "conv.weight"),
    "A custom annotation against the facts": annotated,
    "Two pins at either end of a chain across a block, where no convert is wanted": lambda: chain(BLOCK, "fold"),
    "Two pins at either end of a transformer block": lambda: chain([*_transformer()], "sum2", converts_for_products),
}
"""By the heading under which it stands in ``docs/complaints.md``."""
