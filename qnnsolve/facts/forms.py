"""Which cases of a table apply to a node: what is known of the node, and the conditions of a case.

A case of a table is a class of shapes or parameters. Its conditions are written ``rank 5``, ``kernel 1x1``,
``constant in[1]``, several joined by a comma; one without conditions measures every node.
"""

from __future__ import annotations

import enum
import re

import attrs

__all__ = ["ANY_FORM", "Form", "Kernel", "When"]


class Kernel(enum.Enum):
    """Over how many positions of an image or volume a weight goes."""

    POINT = "1x1"
    WIDER = "wider"

    @classmethod
    def over(cls, positions: tuple[int | None, ...]) -> Kernel | None:
        """That of a weight over so many positions per dimension; None where it has channels only."""
        return None if not positions else cls.POINT if set(positions) == {1} else cls.WIDER


@attrs.frozen(cache_hash=True)
class Form:
    """What is known of one op that a node becomes; what is None (or beyond the end) is not known.

    ``name`` is that of a case, where the builder knows better than these features. ``rank`` is the largest of all
    tensors, at least 1. ``constant`` says per input whether it is a static tensor.
    """

    name: str | None = None
    rank: int | None = None
    kernel: Kernel | None = None
    constant: tuple[bool | None, ...] = ()

    def __str__(self) -> str:
        kernel = "" if self.kernel is None else f"kernel {self.kernel.value}"
        rank = "" if self.rank is None else f"rank {self.rank}"
        return self.name or kernel or rank or "any"


ANY_FORM = Form()
"""Nothing is known: every case counts."""


@attrs.frozen
class When:
    """The nodes that a case measures. ``constant`` are the inputs that are static, all others being fed; None: any.

    ``by_name`` is a case for those nodes only whose builder asks for it.
    """

    rank: int | None = None
    kernel: Kernel | None = None
    constant: tuple[int, ...] | None = None
    by_name: bool = False

    def fits(self, form: Form) -> bool:
        """Whether nothing that is known of a node contradicts these conditions."""
        given = enumerate(form.constant)
        return (
            not self.by_name
            and (None in (self.rank, form.rank) or self.rank == form.rank)
            and (None in (self.kernel, form.kernel) or self.kernel is form.kernel)
            and (self.constant is None or all(is_ is None or is_ == (index in self.constant) for index, is_ in given))
        )

    @classmethod
    def parse(cls, text: str) -> When | None:
        """The conditions that ``text`` writes (``any``: none); None where it is not how :meth:`__str__` writes them."""
        found = _PATTERN.fullmatch("" if text == "any" else text and f"{text}, ")
        if found is None or not text:
            return None
        constant = None if found["constant"] is None else tuple(map(int, re.findall(r"\d+", found["constant"])))
        when = cls(
            None if found["rank"] is None else int(found["rank"]),
            None if found["kernel"] is None else Kernel(found["kernel"]),
            constant if found["fed"] is None else (),
            found["by_name"] is not None,
        )
        return when if str(when) == text else None

    def __str__(self) -> str:
        constant = "" if self.constant is None else " ".join(f"in[{index}]" for index in self.constant)
        parts = (
            f"rank {self.rank}" if self.rank is not None else "",
            f"kernel {self.kernel.value}" if self.kernel is not None else "",
            "" if self.constant is None else f"constant {constant}" if constant else "fed",
            "by name" if self.by_name else "",
        )
        return ", ".join(part for part in parts if part) or "any"


_PATTERN = re.compile(
    r"(rank (?P<rank>[1-9]), )?(kernel (?P<kernel>1x1|wider), )?"
    r"((?P<fed>fed), |constant (?P<constant>in\[\d\]( in\[\d\])*), )?(?P<by_name>by name, )?"
)
