"""A small recurrent language model over tokens of a codec, of any pattern."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from audiocodec.config import from_dict, to_dict
from audiocodec.files import atomic_path
from audiocodec.models.codec import Codec
from audiocodec.patterns import Pattern, pattern_of


@dataclass(frozen=True)
class LMConfig:
    """conf/lm.yaml says what each is."""

    pattern: str
    num_quantizers: int
    frames: int
    batch_size: int
    steps: int
    hidden: int
    layers: int
    dropout: float
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    validate_every: int
    temperature: float
    seed: int = 0


class LanguageModel(nn.Module):
    """Tokens (batch, length) or (batch, rows, length) to logits of the next ones.

    A step sums the embeddings of its tokens, one of each row. An embedding is a vector of its own
    and the codec's vector of the code, mapped linearly; so is the output. Codes that sound alike
    are near one another from the start, without which two minutes of speech teach very little.
    """

    def __init__(self, config: LMConfig, pattern: Pattern, vectors: Tensor) -> None:
        super().__init__()
        self.config, self.pattern = config, pattern
        rows, vocabulary, dim = vectors.shape
        hidden = config.hidden
        self.register_buffer("vectors", vectors, persistent=False)
        self.embeddings = nn.Parameter(torch.randn(rows, vocabulary, hidden) * 0.02)
        self.inputs = nn.Parameter(torch.randn(rows, dim, hidden) * (dim * rows) ** -0.5)
        self.outputs = nn.Parameter(torch.zeros(rows, hidden, dim))
        self.heads = nn.Parameter(torch.zeros(rows, hidden, vocabulary))
        self.bias = nn.Parameter(torch.zeros(rows, 1, vocabulary))
        self.recurrent = nn.GRU(
            hidden, hidden, config.layers, batch_first=True, dropout=config.dropout
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits (batch, rows, length, vocabulary) and the state behind the last step."""
        table = self.embeddings + self.vectors @ self.inputs  # (rows, vocabulary, hidden)
        tokens = tokens.unsqueeze(1) if self.pattern.flat else tokens
        steps = sum(table[row][tokens[:, row]] for row in range(len(table)))
        hidden, state = self.recurrent(self.dropout(steps), state)
        hidden = self.dropout(hidden).unsqueeze(1)  # (batch, 1, length, hidden)
        weights = self.heads + self.outputs @ self.vectors.transpose(1, 2)
        return hidden @ weights + self.bias, state


def code_vectors(codec: Codec, pattern: Pattern) -> Tensor:
    """What the codec takes each token for: (rows, vocabulary_size, dim), 0 for what is no code."""
    rows = 1 if pattern.flat else pattern.num_quantizers
    own = []
    for codebook, size in zip(codec.quantizer.codebooks, pattern.codebook_sizes, strict=False):
        vectors = codebook.decode(torch.arange(size)[None, None])[0].T.float()  # (size, dim)
        own.append((vectors - vectors.mean(0)) / vectors.std())
    table = torch.zeros(rows, pattern.vocabulary_size, own[0].shape[1])
    for stage, (vectors, start) in enumerate(zip(own, pattern.starts, strict=True)):
        table[0 if pattern.flat else stage, start : start + len(vectors)] = vectors
    return table


@torch.no_grad()
def build(config: LMConfig, codec: Codec) -> LanguageModel:
    """An untrained model."""
    torch.manual_seed(config.seed)
    sizes = codec.codebook_sizes[: config.num_quantizers]
    pattern = pattern_of(config.pattern, sizes)
    return LanguageModel(config, pattern, code_vectors(codec, pattern))


def save(model: LanguageModel, path: Path) -> None:
    """Write weights and configuration."""
    with atomic_path(path) as temporary:
        torch.save({"config": to_dict(model.config), "weights": model.state_dict()}, temporary)


def load(path: Path, codec: Codec) -> LanguageModel:
    """The model that `save` wrote, ready to be used."""
    saved = torch.load(path, weights_only=True)
    model = build(from_dict(LMConfig, saved["config"]), codec)
    model.load_state_dict(saved["weights"])
    return model.eval()
