"""Which backends there are: built-in ones, and those that installed distributions add.

A distribution adds a backend with an entry point of the group ``qnnsolve.backends``: its name is the backend's, its
object a :class:`Backend`. Nothing of a backend is imported before somebody asks for it by name.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.resources
import re
from collections.abc import Callable, Mapping
from importlib.resources.abc import Traversable
from types import MappingProxyType

import attrs

from qnnsolve.errors import PluginError, UnknownNameError, UsageError
from qnnsolve.facts.socs import Soc, socs
from qnnsolve.foreign import foreign

__all__ = ["GROUP", "Backend", "backend", "backend_names", "chip_of", "loaded"]

GROUP = "qnnsolve.backends"
"""The entry points' group."""


def _archs(_: object, __: attrs.Attribute[tuple[str, ...]], archs: tuple[str, ...]) -> None:
    numbers = [int(arch[1:]) for arch in archs if re.fullmatch(r"V\d+", arch)]
    if not archs or len(numbers) != len(archs) or numbers != sorted(set(numbers)):
        raise ValueError(f"archs are V and a number, oldest first, not {archs!r}")


@attrs.frozen(eq=False)
class Backend:
    """One accelerator: its archs, its rules and its facts.

    Raises:
        ValueError: ``archs`` are not ``V<number>`` in rising order.
    """

    name: str
    """As ``--backend`` takes it, in lower case."""
    archs: tuple[str, ...] = attrs.field(validator=_archs)
    """Generations of the accelerator, oldest first. Facts hold per arch."""
    arch_of: Callable[[Soc], str | None]
    """The arch that a chipset carries, or None where it carries none."""
    rules: str
    """``module:ATTRIBUTE`` of its own rules, a tuple of ``qnnsolve.rules.Rule``; the common ones always hold too."""
    data: Traversable | None = None
    """Folder with its operator tables (``*.json``) and ``curated.toml``; None where it ships no facts."""
    executorch: str | None = None
    """Name of ExecuTorch's ``QnnExecuTorchBackendType`` (``kHtpBackend``); None solves, but cannot annotate."""

    def arch(self, soc: Soc) -> str:
        """The arch of this backend on ``soc``.

        Raises:
            UsageError: the chipset has no such accelerator; names those that do.
        """
        found = self.arch_of(soc)
        if found is not None:
            return found
        having = [each.name for each in socs() if self.arch_of(each) is not None]
        where = f"; {', '.join(having)} do" if len(having) > 1 else f"; {having[0]} does" if having else ""
        raise UsageError(f"{soc.name} has no {self.name.upper()} in ExecuTorch's table{where}")


def chip_of(known: Backend, arch: str) -> str:
    """A chipset with that arch, a phone's (``SM...``) where there is one; empty where there is none."""
    names = [soc.name for soc in socs() if known.arch_of(soc) == arch]
    return min(names, key=lambda name: (not name.startswith("SM"), name), default="")


_DATA = importlib.resources.files("qnnsolve.facts") / "data"
_BUILTIN: Mapping[str, Backend] = MappingProxyType(
    {
        "htp": Backend(
            name="htp",
            archs=("V68", "V69", "V73", "V75", "V79", "V81"),
            arch_of=lambda soc: soc.htp_arch,
            rules="qnnsolve.rules.htp:RULES",
            data=_DATA / "htp",
            executorch="kHtpBackend",
        ),
        "lpai": Backend(
            name="lpai",
            archs=("V6", "V7"),
            arch_of=lambda soc: soc.lpai_arch,
            rules="qnnsolve.rules.lpai:RULES",
            data=_DATA / "lpai",
            executorch="kLpaiBackend",
        ),
    }
)


def backend_names() -> tuple[str, ...]:
    """Every backend that can be asked for, sorted; nothing is loaded."""
    return tuple(sorted({*_BUILTIN, *(entry.name for entry in importlib.metadata.entry_points(group=GROUP))}))


@functools.cache
def backend(name: str) -> Backend:
    """The backend called ``name``. A distribution cannot replace a built-in one.

    Raises:
        UnknownNameError: there is none; names those that exist.
        PluginError: the distribution that offers it is broken.
    """
    if name in _BUILTIN:
        return _BUILTIN[name]
    entries = importlib.metadata.entry_points(group=GROUP, name=name)
    if not entries:
        raise UnknownNameError("backend", name, backend_names())
    offers = sorted({entry.dist.name if entry.dist is not None else "?" for entry in entries})
    if len(offers) > 1:
        raise PluginError(name, " and ".join(offers), "both offer it")
    (entry, *_) = entries
    found = loaded(entry.load, name, f"{offers[0]}, {entry.value}")
    if not isinstance(found, Backend) or found.name != name:
        raise PluginError(name, f"{offers[0]}, {entry.value}", "is no qnnsolve.facts.backends.Backend of that name")
    return found


def loaded(load: Callable[[], object], name: str, where: str) -> object:
    """What ``load`` returns; whatever the code that it imports raises becomes one line about the backend ``name``.

    Raises:
        PluginError: anything was raised.
    """
    with foreign("its code raised", lambda what: PluginError(name, where, what)):
        return load()
