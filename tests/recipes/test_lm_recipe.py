"""egs/lm: a language model of tokens; its parts, and the recipe as a user runs it, cut down."""

import json
import re
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from fabricated import ROOT, run, speech_like

from audiocodec import EncodeOptions, encode_files, load_codec
from audiocodec.patterns import PATTERNS

LOCAL = ROOT / "egs/lm/local"
MODULES = [path.stem for path in LOCAL.glob("*.py")]
CONFIG = {
    "pattern": "delayed",
    "num_quantizers": 2,
    "frames": 20,
    "batch_size": 2,
    "steps": 4,
    "hidden": 8,
    "layers": 2,
    "dropout": 0.5,
    "learning_rate": 0.01,
    "warmup_steps": 1,
    "weight_decay": 0.1,
    "validate_every": 2,
    "temperature": 1.0,
}


@pytest.fixture
def local(monkeypatch):
    """The recipe's modules, by name, which no other test finds."""
    monkeypatch.syspath_prepend(LOCAL)
    names = {name: __import__(name) for name in MODULES}
    yield Namespace(**names)
    for name in MODULES:
        del sys.modules[name]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory, tiny_model_dir) -> Path:
    folder = tmp_path_factory.mktemp("tokens")
    for part, count in (("train", 4), ("valid", 2)):
        for index in range(count):
            speech_like(folder / "audio" / part / f"{index}.wav", index)
        options = EncodeOptions(format="parquet")
        encode_files([folder / "audio" / part], folder / part, tiny_model_dir, options=options)
    return folder


def arguments(tokens: Path, model: Path, output: Path) -> Namespace:
    return Namespace(
        train=tokens / "train", valid=tokens / "valid", codec=str(model), output=output
    )


def test_a_training_that_was_stopped_ends_as_one_that_was_not(
    local, tokens, tiny_model_dir, tmp_path, monkeypatch
):
    config = local.language_model.LMConfig(**CONFIG)
    local.train.train(config, arguments(tokens, tiny_model_dir, tmp_path / "whole"))
    stopped = arguments(tokens, tiny_model_dir, tmp_path / "stopped")
    validate = local.train.validate

    def stop(*args):
        validate(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(local.train, "validate", stop)
        with pytest.raises(KeyboardInterrupt):
            local.train.train(config, stopped)
    assert len((stopped.output / "log.jsonl").read_text().splitlines()) == 1
    local.train.train(config, stopped)
    for name in ("log.jsonl", "model.pt"):
        assert (stopped.output / name).exists()
    logs = [(tmp_path / run / "log.jsonl").read_text() for run in ("whole", "stopped")]
    assert logs[0] == logs[1]
    weights = [torch.load(tmp_path / run / "state.pt")["model"] for run in ("whole", "stopped")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("kind", PATTERNS)
def test_continuations_keep_the_prompt_and_losses_are_those_of_all_codes(
    local, tiny_model_dir, kind
):
    codec = load_codec(tiny_model_dir)
    config = local.language_model.LMConfig(**CONFIG | {"pattern": kind, "num_quantizers": 3})
    model = local.language_model.build(config, codec).eval()
    prompt = torch.randint(16, (3, 5))
    continued = local.generate.continuation(model, prompt, 7)
    assert continued.shape == (3, 12) and torch.equal(continued[:, :5], prompt)
    assert codec.decode(continued.numpy()).shape == (12 * codec.hop_length,)
    sequence = model.pattern.apply(continued, bos=True, eos=True)
    losses = local.perplexity.stage_losses(model, sequence)
    assert [len(stage) for stage in losses] == [12, 12, 12]
    chance = np.log(model.pattern.vocabulary_size)  # an untrained model prefers nothing
    assert torch.allclose(torch.cat(losses), torch.full((36,), float(chance)), atol=1e-4)


def test_the_model_sees_nothing_that_is_to_come(local, tiny_model_dir):
    codec = load_codec(tiny_model_dir)
    config = local.language_model.LMConfig(**CONFIG)
    model = local.language_model.build(config, codec).eval()
    torch.nn.init.normal_(model.heads)
    tokens = torch.randint(16, (1, 2, 9))
    changed = tokens.clone()
    changed[..., 5:] = 3
    first, second = (model(own)[0] for own in (tokens, changed))
    assert torch.equal(first[:, :, :5], second[:, :, :5])
    assert not torch.equal(first[:, :, 5:], second[:, :, 5:])


def test_ngrams_are_chances_and_know_a_chain_when_they_see_one(local):
    random = np.random.default_rng(0)
    chains = []
    for _ in range(20):
        chain = [int(random.integers(6))]
        for _ in range(99):
            follows = (chain[-1] + 1) % 6 if random.random() < 0.9 else random.integers(6)
            chain.append(int(follows))
        chains.append(np.array(chain))
    model = local.ngrams.Bigrams(chains[:19], size=8)
    every = np.arange(8)
    assert np.isclose(model.unigram(every).sum(), 1)
    for before in every:
        chances = [model.bigram(np.array([before, code]))[1] for code in every]
        assert np.isclose(sum(chances), 1) and np.allclose(chances, model.follows(before))
    unigram = np.exp(-np.log(model.unigram(chains[19])).mean())
    bigram = np.exp(-np.log(model.bigram(chains[19])).mean())
    expected = np.exp(-(11 / 12 * np.log(11 / 12) + 5 * 1 / 60 * np.log(1 / 60)))
    assert 5.5 < unigram < 6.5 and abs(bigram - expected) < 0.4


@pytest.mark.slow
def test_the_recipe_ends_in_a_page_with_a_continuation_to_hear(checkout):
    done = run(checkout, "lm", "--cut", "true")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = checkout / "egs/lm/exp/samples_cut"
    page = (folder / "page/listen.html").read_text()
    assert len(re.findall(r"<audio[^>]*src=.data:audio/flac;base64,.{1000}", page)) == 4
    assert "continued by the language model" in page
    report = json.loads((folder / "scores/perplexity.json").read_text())
    assert report["perplexity"]["bigram"]["all"] < report["perplexity"]["unigram"]["all"] < 1024
    assert "| language model |" in (folder / "page/README.md").read_text()
    assert np.load(folder / "page/continuation_0.npy").shape[0] == 4
    again = run(checkout, "lm", "--cut", "true")
    assert again.returncode == 0 and again.stderr.count("done before") == 5
