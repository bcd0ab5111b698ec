"""SimVQ: codes are one learned map of a frozen random basis (arXiv:2411.02038).

Code k is `W basis[k] + b`. Every frame moves W and b, hence every code, chosen or not: no code can
die alone, which is how plain vector quantizers collapse. docs/simvq.md has the mathematics.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.errors import ConfigError, ModelError
from audiocodec.processes import mean_over_processes
from audiocodec.quantization.base import Quantized, Quantizer
from audiocodec.quantization.cache import WeightCache
from audiocodec.quantization.codebook import by_parts, explicit_codebook, mapped_codebook
from audiocodec.quantization.fitting import fit_map
from audiocodec.quantization.frozen import FrozenBasis, given_basis, seeded_basis
from audiocodec.quantization.gradients import Gradient, pass_gradient
from audiocodec.quantization.rate_distortion import codebook_map
from audiocodec.quantization.search import Codebook, nearest, wide


@dataclass(frozen=True)
class SimVQConfig:
    """The defaults are the paper's, with the bias of its published code.

    Plain vector quantization is `map: identity, basis: trained`. The published code's legacy loss
    is `codebook_weight: 0.25, commitment_weight: 1`.
    """

    codebook_size: int = 4096
    commitment_weight: float = 0.25  # encoder side
    seed: int = 0  # of the basis
    codebook_weight: float = 1.0
    relative_loss: bool = True  # over the variance of the latent; else the plain mean
    bias: bool = True
    map: Literal["linear", "mlp", "identity"] = "linear"
    basis: Literal["frozen", "stored", "trained"] = "frozen"  # stored: with the weights, not a seed
    distance: Literal["euclidean", "cosine"] = "euclidean"  # cosine: latents and codes of length 1
    gradient: Gradient = "straight_through"
    data_start: bool = True  # `initialize` starts from data; else it leaves the random start

    def __post_init__(self) -> None:
        if self.codebook_size < 2:
            raise ConfigError(f"quantizer.codebook_size is {self.codebook_size}; give 2 or more")
        if self.seed < 0:
            raise ConfigError(f"quantizer.seed is {self.seed}; give 0 or more")
        if self.map == "identity" and self.basis == "frozen":
            raise ConfigError(
                "quantizer.map identity of a frozen basis learns nothing; set quantizer.basis: "
                "trained for plain vector quantization"
            )


def latent_variance(latent: Tensor) -> Tensor:
    """Variance of a latent (batch, latent_dim, *positions), mean over its dimensions.

    The batch is that of all processes.
    """
    frames = latent.detach().movedim(1, -1).flatten(0, -2)
    mean = mean_over_processes(frames.mean(0))
    squares = (frames - mean).square().mean()
    return mean_over_processes(squares).clamp_min(1e-8)


class SimVQ(Quantizer):
    """One codebook; `latent` is (batch, latent_dim, *positions), `codes` (batch, 1, *positions).

    The loss is relative to the variance of the latent, so that neither its scale nor the number of
    dimensions changes what a weight means, and shrinking the latent gains nothing.

    In a model of your own:

    >>> import torch
    >>> from audiocodec import SimVQ, SimVQConfig
    >>> quantizer = SimVQ(SimVQConfig(codebook_size=1024), latent_dim=16)
    >>> latent = torch.randn(2, 16, 50, requires_grad=True)  # (batch, latent_dim, frames)
    >>> quantizer.initialize(latent.detach())  # once, from the first latents: uses more codes
    >>> quantized = quantizer(latent)
    >>> quantized.codes.shape
    torch.Size([2, 1, 50])
    >>> loss = quantized.latent.square().mean() + quantized.loss  # your loss, and the quantizer's
    >>> loss.backward()  # reaches the encoder through the codes, and every code of the codebook
    >>> torch.equal(quantizer.decode(quantized.codes), quantized.latent)
    True
    """

    def __init__(self, config: SimVQConfig, latent_dim: int) -> None:
        super().__init__()
        self.config, self.latent_dim = config, latent_dim
        self.codebook_sizes = (config.codebook_size,)
        self._frozen: FrozenBasis | None = None
        if config.basis == "trained":
            rows = seeded_basis(config.codebook_size, latent_dim, config.seed).rows
            self.trained_basis = nn.Parameter(rows.clone())
        else:
            self._frozen = seeded_basis(config.codebook_size, latent_dim, config.seed)
        if config.map != "identity":
            self.projection = nn.Linear(latent_dim, latent_dim, bias=config.bias)
        if config.map == "mlp":  # beside the linear map, and 0 at first
            self.hidden = nn.Linear(latent_dim, latent_dim)
            self.output = nn.Linear(latent_dim, latent_dim, bias=False)
            nn.init.zeros_(self.output.weight)
        self._cache: WeightCache[Codebook] = WeightCache()

    @property
    def basis(self) -> Tensor:
        """(codebook_size, latent_dim)."""
        if self._frozen is None:
            return self.trained_basis
        return self._frozen.rows

    @property
    def basis_digest(self) -> str | None:
        """Of the basis that a seed must give again; None if the basis is among the weights."""
        return self._frozen.digest if self._frozen and self.config.basis == "frozen" else None

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        latent = self._comparable(latent.to(torch.promote_types(latent.dtype, torch.float32)))
        codes = self.encode(latent)
        chosen = self.decode(codes)
        loss = self.loss(latent, chosen, self.loss_scale(latent))
        return Quantized(pass_gradient(latent, chosen, self.config.gradient), codes, loss)

    def loss_scale(self, latent: Tensor) -> Tensor:
        """What squared errors are divided by, a scalar."""
        return latent_variance(latent) if self.config.relative_loss else latent.new_ones(())

    def loss(
        self, latent: Tensor, chosen: Tensor, scale: Tensor, weight: Tensor | float = 1.0
    ) -> Tensor:
        """Codebook and commitment terms of the paper over `scale`.

        `weight`, broadcast against the latent, excludes what is not quantized by this stage.
        """
        codebook = (weight * (chosen - latent.detach()).square()).mean()
        commitment = (weight * (latent - chosen.detach()).square()).mean()
        config = self.config
        return (config.codebook_weight * codebook + config.commitment_weight * commitment) / scale

    @torch.no_grad()
    def encode(self, latent: Tensor, num_quantizers: int | None = None) -> Tensor:
        """The nearest code of each position: exact, see search.py."""
        queries = latent.movedim(1, -1).reshape(-1, latent.shape[1])
        with torch.autocast(latent.device.type, enabled=False):
            codes = nearest(self._queries(queries), self._codebook())
        return codes.view(latent.shape[0], 1, *latent.shape[2:])

    def decode(self, codes: Tensor) -> Tensor:
        # Gather rows, then map them: the gradient of the whole mapped codebook is the same.
        with torch.autocast(codes.device.type, enabled=False):
            rows = F.embedding(codes.squeeze(1), self.basis)
            return self._map(rows).movedim(-1, 1)

    @torch.no_grad()
    def initialize(self, latent: Tensor) -> None:
        if not self.config.data_start:
            return
        frames = self._comparable(latent).movedim(1, -1).flatten(0, -2)
        if not frames.isfinite().all():
            raise ModelError(
                "the encoder gives latents that are not finite, from which no codebook can start; "
                "lower optimizer.learning_rate"
            )
        if self.config.map == "identity":
            generator = torch.Generator().manual_seed(self.config.seed)
            draw = torch.randint(len(frames), (self.config.codebook_size,), generator=generator)
            self.trained_basis.copy_(frames[draw.to(frames.device)])
            return
        mean, weight = codebook_map(frames, self.config.codebook_size, centred=self.config.bias)
        bias = mean if self.config.bias else None
        if self.config.distance == "euclidean":
            weight, bias = fit_map(frames, self.basis.detach(), weight, bias)
        self.projection.weight.copy_(weight)
        if bias is not None:
            self.projection.bias.copy_(bias)

    def _comparable(self, latent: Tensor) -> Tensor:
        return F.normalize(latent, dim=1) if self.config.distance == "cosine" else latent

    def _map(self, rows: Tensor) -> Tensor:
        """Codes (..., latent_dim) of rows of the basis."""
        mapped = rows
        if self.config.map != "identity":
            rows = rows.to(self.projection.weight.dtype)
            mapped = self.projection(rows)
        if self.config.map == "mlp":
            mapped = mapped + self.output(F.gelu(self.hidden(rows)))
        return F.normalize(mapped, dim=-1) if self.config.distance == "cosine" else mapped

    @property
    def _is_mapped(self) -> bool:
        """Whether the search maps the query instead of the codebook."""
        return self.config.map == "linear" and self.config.distance == "euclidean"

    def _centre(self) -> Tensor | float:
        # Distances are taken from the bias: otherwise the offset that all codes share would use up
        # the mantissa and wrong neighbours would win.
        if self.config.map == "identity" or self.config.distance == "cosine":
            return 0.0
        return wide(self.projection.bias) if self.config.bias else 0.0

    def _queries(self, frames: Tensor) -> Tensor:
        centred = wide(frames - self._centre())  # float64 at once if the bias is
        return centred @ wide(self.projection.weight) if self._is_mapped else centred

    def _codebook(self) -> Codebook:
        """What `encode` searches; kept while not training, until a weight changes."""
        if self.training:
            return self._make_codebook()
        stored = [self.basis] if self.config.basis == "stored" else []  # a seed's never changes
        return self._cache.get([*self.parameters(), *stored], self._make_codebook)

    def _make_codebook(self) -> Codebook:
        exact = not self.training
        if self._is_mapped:
            known = self._frozen is not None and self.config.basis == "frozen"
            radius = self._frozen.radius if known and self._frozen else None
            return mapped_codebook(self.basis.detach(), self.projection.weight, radius, exact)
        centre = self._centre()
        return explicit_codebook(by_parts(lambda r: (self._map(r) - centre).float(), self.basis))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "SimVQ":
        super()._apply(fn, recurse)
        self._cache = WeightCache()
        if self._frozen is not None:
            # The device that `fn` moves to; the precision of the basis never changes.
            self._frozen = self._frozen.to(fn(torch.empty(1, device=self._frozen.device)).device)
        return self

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.config.basis == "stored":
            destination[prefix + "basis"] = self.basis

    def _load_from_state_dict(
        self, state: Any, prefix: str, metadata: Any, strict: bool, *errors: list[str]
    ) -> None:
        missing, unexpected, messages = errors
        super()._load_from_state_dict(state, prefix, metadata, strict, *errors)
        if self.config.basis != "stored" or self._frozen is None:
            return
        name, shape = prefix + "basis", (self.config.codebook_size, self.latent_dim)
        if name in unexpected:
            unexpected.remove(name)
        if name not in state:
            missing.append(name)
        elif state[name].shape != shape:
            messages.append(f"{name} is {tuple(state[name].shape)}, not {shape}")
        else:
            rows = state[name].detach().to(self._frozen.device, torch.float32, copy=True)
            self._frozen = given_basis(rows, rows.device)
            self._cache = WeightCache()
