"""Where a run is: what decides its next step, beside the networks and the guard."""

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass
class RunState:
    """The numbers of a run; a checkpoint holds them.

    step: updates done, skipped ones included.
    quantizer_started: whether the quantizer was set to the distribution of the latents.
    validated: the last step after which the validation set was scored; 0 before the first.
    best, best_step: the best value of what chooses the model so far, and after which step.
    """

    step: int = 0
    quantizer_started: bool = False
    validated: int = 0
    best: float | None = None
    best_step: int | None = None

    def note(self, value: float | None) -> bool:
        """Take the value of a validation after this step; whether it is the best so far."""
        self.validated = self.step
        if value is None or (self.best is not None and value <= self.best):
            return False
        self.best, self.best_step = value, self.step
        return True

    def state_dict(self) -> dict[str, Any]:
        """All of it, as plain values."""
        return dataclasses.asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` gave; other keys are left alone."""
        for field in dataclasses.fields(self):
            setattr(self, field.name, state[field.name])
