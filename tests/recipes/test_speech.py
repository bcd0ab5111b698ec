"""egs/speech/run.sh as a user runs it: only free recordings, a released model and its card."""

import csv
import json

import pytest
from fabricated import run, speech_like

from audiocodec.data.data_dir import read_data_dir
from audiocodec.models.bundle import load_codec
from audiocodec.models.card import Card, read_card

ROWS = [  # path, source, speaker, licence
    ("train/ljspeech/1/a b.flac", "ljspeech", "linda", "public domain"),
    ("train/ljspeech/1/c.flac", "ljspeech", "linda", "public domain"),
    ("train/asp/2/a.flac", "asp", "stella maris", "CC-BY-3.0"),
    ("train16/speechocean762/0024/a.flac", "speechocean762", "0024", "free, commercial or not"),
    ("train/pmdc/a.flac", "pmdc", "one", "CC0"),
    ("train/closed/a.flac", "closed", "x", "CC-BY-NC"),
    ("dev/vctk/a.flac", "vctk", "p1", "CC-BY-4.0"),
]
SETS = ("train", "valid")


@pytest.mark.slow
def test_the_shipped_model_is_made_from_free_speech_and_released_with_its_card(checkout):
    corpus, dev = checkout / "my corpus", checkout / "dev"
    for seed, (path, *_) in enumerate(ROWS):
        speech_like(corpus / path, seed, seconds=1.5)
    with open(corpus / "manifest.tsv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t")
        table.writerows([("path", "source", "speaker", "licence"), *ROWS])
    speech_like(dev / "p1" / "a.wav", 100, seconds=1.5)
    options = ["--corpus", "my corpus", "--dev", "dev", "--nj", 1, "--threads", 1]
    options += ["--config", checkout / "tiny.yaml", "--num-quantizers", "1 2"]
    done = run(checkout, "speech", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    recipe = checkout / "egs/speech"
    speakers = {name: {u.speaker for u in read_data_dir(recipe / "data" / name)} for name in SETS}
    assert speakers["train"] == {"ljspeech-linda", "asp-stella_maris"}
    assert speakers["valid"] == {"pmdc-one", "speechocean762-0024"}
    released = recipe / "exp/tiny/release/tiny"  # named after the configuration
    assert load_codec(released).weight_hash in (released / "README.md").read_text()
    assert read_card(released) == Card(
        "mit", "0.0 h, 2 speakers of speech free for any use; see Data below"
    )
    summary = json.loads((recipe / "exp/tiny/results/2/summary.json").read_text())
    assert summary["n_utterances"] == 1
    again = run(checkout, "speech", *options)
    assert again.returncode == 0 and again.stderr.count("done before") == 7
