"""All discriminators of an experiment as one module."""

from collections.abc import Iterable

from torch import Tensor, nn
from torch.nn.utils import parametrize

from audiocodec.discriminators.base import Discriminator, DiscriminatorOutput


class DiscriminatorEnsemble(nn.Module):
    """Judges by every member, each by its own options."""

    def __init__(self, members: Iterable[Discriminator]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, real: Tensor, fake: Tensor) -> list[DiscriminatorOutput]:
        """Judge waveforms (batch, 1, time); one call, so weights are normalised once for both."""
        with parametrize.cached():
            return [member.compare(real, fake) for member in self.members]  # type: ignore[operator]
