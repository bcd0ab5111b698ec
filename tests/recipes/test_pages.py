"""The tables that recipes write for the documentation."""

import json
import subprocess
import sys
from pathlib import Path

from fabricated import ROOT, environment_of_recipes

from audiocodec.models.bundle import load_codec, save_codec


def script(path: str, *arguments: object) -> None:
    command = [sys.executable, ROOT / path, *arguments]
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        env=environment_of_recipes(),
        check=False,
    )
    assert done.returncode == 0, done.stderr


def row(method: str, bits: int, seed: int, used: float) -> dict[str, object]:
    own: dict[str, object] = {"method": method, "bits_asked": bits, "bits": bits, "seed": seed}
    train = {"used": used, "reachable": 1.0, "perplexity": 1000 * used, "frames": 9}
    rest = {"valid": {"distortion": 0.5, "over_bound": 1.5}, "quality": {"mel_distance": 0.8}}
    own["settings"] = ["a.yaml", f"steps={round(800 * used)}", "start_steps=7"]
    return own | rest | {"train": train, "curve": [], "memory_mb": 1, "seconds_a_step": 0.1}


def test_the_tables_of_the_documentation_are_means_over_seeds(tmp_path):
    rows = [row("vq", 10, 0, 0.25), row("vq", 10, 1, 0.75), row("simvq", 12, 0, 0.125)]
    (tmp_path / "results.json").write_text(json.dumps(rows))
    (tmp_path / "longer.json").write_text(json.dumps([row("simvq", 12, 0, 0.5)]))
    page = tmp_path / "page.md"
    marker = "<!-- written by egs/quantizers/local/summary.py -->"
    side = marker.replace(" -->", ": vq fsq -->")
    page.write_text(
        f"before\n{marker}\nold\n<!-- until here -->\nmid\n{side}\n\n<!-- until here -->\n"
    )
    for _ in range(2):
        script(
            "egs/quantizers/local/summary.py",
            *("--results", tmp_path / "results.json", "--page", page),
            *("--longer", tmp_path / "longer.json"),
        )
    text = page.read_text()
    assert text.startswith(f"before\n{marker}\n") and f"<!-- until here -->\nmid\n{side}\n" in text
    assert "| method | 1,024 codes | 4,096 codes |" in text
    assert "| vq | 50.0 (500) | - |" in text and "| simvq | - | 12.5 (125) |" in text
    assert "| vq | 0.800 (1.50) | - |" in text and "old" not in text
    assert (
        "| simvq | 4,096 | 7 | 100 | 12.5 | 125 | 0.500 | 0.800 |\n| simvq | 4,096 | 7 | 400 |"
        in text
    )
    assert text.endswith("| vq | 25.0, 1.50, 0.800 |\n\n<!-- until here -->\n")  # seed 0 alone


def summary(path: Path, pesq: float) -> None:
    path.parent.mkdir(parents=True)
    scored = {"pesq_wb": {"mean": pesq, "ci_low": 1.0, "ci_high": 4.0, "n_ok": 3, "n_failed": 0}}
    path.write_text(json.dumps({"n_utterances": 3, "metrics": scored}))


def counts(*shares: float) -> str:
    stages = [{"share": share, "perplexity": 10 * share} for share in shares]
    return json.dumps({"sets": {"dev": {"frames": 1200, "stages": stages}}})


def test_models_of_one_codebook_stand_beside_the_stages_of_the_residual_one(
    tmp_path, tiny_model_dir
):
    experiment, residual = tmp_path / "exp", tmp_path / "residual"
    save_codec(load_codec(tiny_model_dir), experiment / "release/one")
    (experiment / "checkpoints/step_00000150").mkdir(parents=True)
    summary(experiment / "results/1/summary.json", 1.75)
    (experiment / "results/usage.json").write_text(counts(0.5))
    for stages in (1, 2):
        summary(residual / str(stages) / "summary.json", 1.0 + stages / 8)
    (residual / "usage.json").write_text(counts(1.0, 0.5, 0.0))
    options = ["--rows", f"one={experiment}", "--residual", residual, "--model", tiny_model_dir]
    options += ["--command", "train them", "--output", tmp_path / "page"]
    script("egs/speech/local/single_page.py", *options)
    text, codec = (tmp_path / "page.md").read_text(), load_codec(tiny_model_dir)
    assert f"| one | {codec.bitrate() / 1000:.2f} | 1.750 |" in text
    assert codec.weight_hash in text and "on the 3 utterances" in text
    assert ", 2 of" in text and "| 1.250 |" in text
    assert "| one | dev | 1,200 | 50.0 | 5 |" in text
    assert "| dev | 1,200 | 75.0 | 8 |" in text  # the mean of the first two stages
    assert json.loads((tmp_path / "page.json").read_text())["command"] == "train them"
