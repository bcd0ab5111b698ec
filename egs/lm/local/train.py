"""Train a language model on token shards.

    python local/train.py --config conf/lm.yaml --train tokens/train --valid tokens/valid \\
        --codec speech_24k --output exp

Writes OUTPUT/model.pt and OUTPUT/log.jsonl. Interrupted, it goes on from OUTPUT/state.pt, with the
same result as if it had not been. The last model is kept, not the best on the validation set: on
two minutes of speech that one is better at chances, but continues prompts with mere noise.
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
from language_model import LanguageModel, LMConfig, build, save
from perplexity import stage_losses
from torch.nn import functional as F

from audiocodec import CodecError, TokenDataset, load_codec
from audiocodec.config import load_config, to_dict
from audiocodec.files import atomic_path
from audiocodec.training.schedule import seed_step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="A=B")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--valid", type=Path, required=True)
    parser.add_argument("--codec", required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    try:
        train(load_config(LMConfig, args.config, args.set), args)
    except CodecError as error:
        sys.exit(f"train.py: error: {error}")


def train(config: LMConfig, args: argparse.Namespace) -> None:
    """The loop."""
    model = build(config, load_codec(args.codec))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    state = resumed(args.output / "state.pt", config, model, optimizer)
    options = {"num_quantizers": config.num_quantizers, "seed": config.seed}
    batches = TokenDataset(
        args.train,
        config.pattern,
        batch_size=config.batch_size,
        frames=config.frames,
        start=state["step"],
        **options,
    )
    valid = TokenDataset(args.valid, config.pattern, batch_size=1, epochs=1, **options)
    for step, batch in zip(range(state["step"], config.steps), batches, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * schedule(step, config)
        seed_step(config.seed, step, 0)  # of dropout
        loss = loss_of(model.train(), batch.tokens)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % config.validate_every == 0 or step + 1 == config.steps:
            state |= {"step": step + 1, "loss": loss.item()}
            validate(model, optimizer, valid, state, args.output)


def validate(
    model: LanguageModel,
    optimizer: torch.optim.Optimizer,
    valid: TokenDataset,
    state: dict[str, Any],
    output: Path,
) -> None:
    """Measure, and leave the model and what is needed to go on."""
    losses = torch.cat([torch.cat(stage_losses(model, batch.tokens[0])) for batch in valid])
    found = losses.mean().item()
    print(f"step {state['step']}: loss {state['loss']:.3f}, valid {found:.3f}", flush=True)
    state["log"].append({"step": state["step"], "loss": state["loss"], "valid": found})
    save(model, output / "model.pt")
    with atomic_path(output / "log.jsonl") as temporary:
        temporary.write_text("".join(json.dumps(line) + "\n" for line in state["log"]), "utf-8")
    kept = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    with atomic_path(output / "state.pt") as temporary:
        torch.save(state | kept | {"config": to_dict(model.config)}, temporary)


def resumed(
    path: Path, config: LMConfig, model: LanguageModel, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Where the training stands, with weights and optimizer as they were there."""
    if not path.is_file():
        return {"step": 0, "log": []}
    saved = torch.load(path, weights_only=True)
    if saved.pop("config") != to_dict(config):
        raise CodecError(f"{path}: of another configuration; give another --output")
    model.load_state_dict(saved.pop("model"))
    optimizer.load_state_dict(saved.pop("optimizer"))
    print(f"going on at step {saved['step']}", flush=True)
    return saved


def loss_of(model: LanguageModel, tokens: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of every token but padding, given those before it."""
    logits, _ = model(tokens[..., :-1])
    wanted = tokens[..., 1:].unsqueeze(1) if model.pattern.flat else tokens[..., 1:]
    return F.cross_entropy(logits.movedim(-1, 1), wanted, ignore_index=model.pattern.pad)


def schedule(step: int, config: LMConfig) -> float:
    """A linear start, then half a cosine to a hundredth."""
    start = min(1.0, (step + 1) / max(1, config.warmup_steps))
    return start * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * step / config.steps)))


if __name__ == "__main__":
    main()
