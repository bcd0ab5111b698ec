"""An installation from the index with nothing but the core is small, soon done, and right."""

from pathlib import Path

import pytest

pytest.importorskip("resource", reason="times of child processes are Unix's")

from benchmarks.core_install import measured

MOST_MEGABYTES, MOST_SECONDS = 250, 0.8


@pytest.mark.slow
def test_the_core_alone_encodes_and_decodes_at_once_as_pytorch_does(tmp_path: Path) -> None:
    report = measured(tmp_path)
    assert not report["torch_installed"]
    assert report["megabytes"] < MOST_MEGABYTES
    assert report["codes"] and not report["codes_that_differ_from_pytorch"]
    assert len(set(report["samples_in_and_out"])) == 1
    for command in ("encode", "decode"):
        times = report["seconds"][command]
        # Other work on the machine makes the wall time longer, waiting threads the processor's.
        assert min(times["wall"], times["processor"]) < MOST_SECONDS, command
