"""Writes in place are spelled out, so that whoever shares the memory reads what was written; and the model computes the
same, run after run."""

from __future__ import annotations

import pytest
import torch

from qnnsolve.errors import UnsupportedGraphError
from tests.rewriting.written import Model, Step, rewritten, writes


def by_part(own: torch.Tensor, x: torch.Tensor) -> None:
    own[:, 1:3] = x[:, 1:3] + 1


def by_number(own: torch.Tensor, x: torch.Tensor) -> None:
    own[..., -2:] = 0


def by_every_second(own: torch.Tensor, x: torch.Tensor) -> None:
    own[:, :, ::2].add_(x[:, :, ::2])


def by_broadcast(own: torch.Tensor, x: torch.Tensor) -> None:
    own[1] = x[0, 0].double()


def by_row(own: torch.Tensor, x: torch.Tensor) -> None:
    own[-1, 0].mul_(x[0, 0])


def by_turning(own: torch.Tensor, x: torch.Tensor) -> None:
    own.permute(2, 0, 1)[1:].transpose(0, 1).add_(1)


def by_another_shape(own: torch.Tensor, x: torch.Tensor) -> None:
    own.view(6, 4).unsqueeze(0).flatten(1)[0, 3:9].zero_()


def by_piece(own: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    first, second = own.chunk(2, -1)
    first.mul_(second)
    return second


def by_chain(own: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    before = own[0]
    own.mul_(0.5).add_(x)
    return before


def by_turns(own: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    part, row = own[:, :2], own[0]
    part.add_(1)
    row.mul_(2)
    part.sub_(x[:, :2])
    return row


def by_mask(own: torch.Tensor, x: torch.Tensor) -> None:
    own.masked_fill_(x > 0.5, 2.0)


def by_a_copy(own: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    other = x + 1
    own.copy_(other)
    return other.mul_(3)


def by_a_shape_that_copies(own: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    copied = own.transpose(1, 2).reshape(1, 6, 2, 2).transpose(1, 2).reshape(2, 3, 4).mul_(3)
    own.add_(1)
    return copied


def by_parts_that_lie_apart(own: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    for part in (own[0].diagonal(), own.movedim(2, 0)[1], own.unbind(1)[2], own.unfold(2, 2, 2)[1]):
        part.mul_(3)
    return own.as_strided((3, 4), (4, 1), 8).add_(x[0])


def by_power(own: torch.Tensor, x: torch.Tensor) -> None:
    own **= 2


def by_what_is_allocated(own: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    made = torch.empty_like(x)
    made[:, :2], made[:, 2:] = x[:, 1:], own[:, :1]
    own.add_(made)
    return made


def by_out(own: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    torch.add(x, 1, out=own)
    part = own[1]
    torch.exp(x[0], out=part)
    return part


STEPS = (
    by_parts_that_lie_apart,
    by_power,
    by_what_is_allocated,
    by_out,
    by_part,
    by_number,
    by_every_second,
    by_broadcast,
    by_row,
    by_turning,
    by_another_shape,
    by_piece,
    by_chain,
    by_turns,
    by_mask,
    by_a_copy,
    by_a_shape_that_copies,
)


@pytest.mark.parametrize("keeps", [False, True], ids=["own", "state"])
@pytest.mark.parametrize("step", STEPS)
def test_the_same_is_computed_without_writes(step: Step, keeps: bool) -> None:
    model = Model(step, keeps)
    graph = rewritten(Model(step, keeps))
    assert writes(graph) == ["aten.copy_.default"] * keeps
    for _ in range(2):
        x = torch.rand(2, 3, 4)
        torch.testing.assert_close(graph(x), model(x))
    torch.testing.assert_close(graph.kept, model.kept)


def test_nothing_is_put_back_where_nobody_reads_it() -> None:
    def step(own: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return x.view(6, 4).relu().view(-1).mul_(2)

    graph = rewritten(Model(step, keeps=False))
    assert not writes(graph)
    assert [str(node.target) for node in graph.graph.nodes].count("aten.reshape.default") == 0


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32])
def test_what_stays(dtype: torch.dtype) -> None:
    """A counter; and a cache that is written to by index alone."""

    def step(own: torch.Tensor, x: torch.Tensor) -> None:
        own.index_copy_(1, torch.tensor([1]), x[:, :1].to(dtype))

    graph = rewritten(Model(step, keeps=True, dtype=dtype))
    assert writes(graph) == ["aten.index_copy_.default"]
    (write,) = (node for node in graph.graph.nodes if node.target is torch.ops.aten.index_copy_.default)
    assert [str(user.target) for user in write.users] == ["aten.mul.Tensor"], "read by its result's name, as before"
    counted = writes(rewritten(Model(lambda own, x: own.add_(1), keeps=True, dtype=dtype)))
    assert counted == ["aten.add_.Tensor" if dtype == torch.int64 else "aten.copy_.default"]

    def both(own: torch.Tensor, x: torch.Tensor) -> None:
        step(own, x)
        own.mul_(0.5)

    if dtype == torch.float32:
        assert writes(rewritten(Model(both, keeps=True))) == ["aten.copy_.default"]


def allocates(own: torch.Tensor, x: torch.Tensor) -> None:
    torch.ops.aten.set_.source_Tensor(own, x)


REFUSED: dict[str, Step] = {
    r"node zero_: aten\.zero_\S* writes through a view \(aten\.view\.dtype": lambda own, x: own.view(
        torch.int32
    ).zero_(),
    r"node resize_: aten\.resize_\.default changes what a tensor is in place": lambda own, x: own.resize_(2, 2),
    r"node set_: aten\.set_\.source_Tensor changes what a tensor is in place": allocates,
    r"node _foreach_add_: aten\._foreach_add_\.Scalar writes to more than": lambda own, x: torch._foreach_add_(
        [own], 1
    ),
    r"node topk: aten\.topk\.values writes into tensors that are given": lambda own, x: torch.topk(
        x, 4, out=(own, torch.zeros(2, 3, 4, dtype=torch.int64))
    )[0],
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_is_not_followed_is_refused(said: str) -> None:
    with pytest.raises(UnsupportedGraphError, match=said):
        rewritten(Model(REFUSED[said], keeps=False))


def test_many_writes_to_one_tensor_take_as_many_nodes() -> None:
    def step(times: int) -> Step:
        def written(own: torch.Tensor, x: torch.Tensor) -> None:
            for _ in range(times):
                own[:, 1:] = own[:, :2] + x[:, 1:]

        return written

    few, many = (len(rewritten(Model(step(times), keeps=True)).graph.nodes) for times in (10, 80))
    per_write = (many - few) / 70
    assert per_write <= 6, "two reads, a sum, a copy, what is put back"
    graph = rewritten(Model(step(80), keeps=True)).graph
    assert not [
        node for node in graph.nodes if not node.users and node.op == "call_function" and node not in last(graph)
    ]


def last(graph: torch.fx.Graph) -> list[torch.fx.Node]:
    return [node for node in graph.nodes if node.target is torch.ops.aten.copy_.default]
