"""egs/quantizers/run.sh as a user runs it, cut down."""

import json

import pytest
from fabricated import run

pytestmark = pytest.mark.slow

OPTIONS = ["--cut", "true", "--methods", "simvq ema_vq"]


def test_the_comparison_ends_in_a_page_and_keeps_its_rows(checkout):
    pytest.importorskip("skimage")
    done = run(checkout, "quantizers", *OPTIONS, "--modality", "image")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = checkout / "egs/quantizers/exp/image_cut"
    rows = json.loads((folder / "page/results.json").read_text())
    assert [row["method"] for row in rows] == ["ema_vq", "simvq"]
    page = (folder / "page/README.md").read_text()
    assert "| simvq | 8.0 | 1 |" in page and "PSNR" in page
    assert all((folder / "page" / name).exists() for name in ("use_by_size.png", "results.parquet"))
    before = {path: path.stat().st_mtime_ns for path in (folder / "rows").iterdir()}
    more = run(
        checkout, "quantizers", "--modality", "image", "--cut", "true", "--methods", "simvq vq"
    )
    assert more.returncode == 0, more.stdout + more.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (folder / "rows/vq_8_0.json").exists()


def test_the_comparison_runs_on_speech(checkout):
    done = run(checkout, "quantizers", *OPTIONS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PESQ" in (checkout / "egs/quantizers/exp/speech_cut/page/README.md").read_text()
