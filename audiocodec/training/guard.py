"""What to do when training goes wrong: skip a step, go back, stop, and say so in plain words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from audiocodec.errors import CodecError, ConfigError
from audiocodec.quantization.usage import CodebookUsage


@dataclass(frozen=True)
class GuardConfig:
    patience: int = 10  # skipped steps in a row before going back to the last checkpoint,
    max_returns: int = 3  # each time with half the learning rate; once more stops the run
    min_perplexity: float = 0.05  # of a stage, as a share of its codebook, before it counts as dead

    def __post_init__(self) -> None:
        if self.patience < 1 or self.max_returns < 0:
            raise ConfigError("guard.patience must be 1 or more and guard.max_returns 0 or more")
        if not 0 <= self.min_perplexity < 1:
            raise ConfigError(
                f"guard.min_perplexity is {self.min_perplexity}; give 0 (never) to less than 1"
            )


class Diverged(CodecError):
    """Training cannot continue: its losses or gradients remain non-finite."""


@dataclass
class Guard:
    """Counts skipped steps and returns to checkpoints."""

    config: GuardConfig
    in_a_row: int = 0
    returns: int = 0
    _alarmed: set[int] = field(default_factory=set)

    @property
    def rate_factor(self) -> float:
        """What the learning rates are multiplied by after so many returns."""
        return 0.5**self.returns

    def passed(self) -> None:
        """A step was fine."""
        self.in_a_row = 0

    def skipped(self) -> bool:
        """A step was skipped; whether that is one too many in a row."""
        self.in_a_row += 1
        return self.in_a_row >= self.config.patience

    def go_back(self, step: int) -> None:
        """Count a return to the last checkpoint.

        Raises:
            Diverged: it is one more than allowed.
        """
        if self.returns == self.config.max_returns:
            raise Diverged(
                f"step {step}: {self.in_a_row} steps in a row were not finite, after "
                f"{self.returns} returns to a checkpoint; lower the learning rates, and run "
                "codec data validate on the training data"
            )
        self.returns += 1
        self.in_a_row = 0

    def state_dict(self) -> list[int]:
        """What a checkpoint holds of the guard."""
        return [self.in_a_row, self.returns]

    def load_state_dict(self, state: Sequence[int]) -> None:
        """Restore what `state_dict` gave."""
        self.in_a_row, self.returns = state

    def collapse(self, stages: Sequence[CodebookUsage], frames: int) -> list[str]:
        """Alarms for stages that use few of their codes, once each until they recover.

        `frames` is how many codes of each stage were counted: no more can be in use.
        """
        alarms = []
        for index, stage in enumerate(stages):
            enough = self.config.min_perplexity * min(stage.codebook_size, frames)
            if stage.perplexity >= enough:
                self._alarmed.discard(index)
            elif index not in self._alarmed:
                self._alarmed.add(index)
                alarms.append(
                    f"codebook {index + 1} of {len(stages)} is collapsing: it uses its "
                    f"{stage.codebook_size} codes as if it had {stage.perplexity:.1f}; "
                    "see 'A codebook collapses' in docs/training.md"
                )
        return alarms


def first_bad(terms: Mapping[str, float]) -> str | None:
    """The name of the first value that is not finite."""
    return next((name for name, value in terms.items() if not math.isfinite(value)), None)
