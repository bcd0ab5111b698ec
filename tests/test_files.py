"""Outputs are whole or absent, whatever happens while they are written."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from audiocodec.errors import CodecError
from audiocodec.files import atomic_folder, atomic_path, library_writes

Writer = Callable[[Path], AbstractContextManager[Path]]


def fill(path: Path, text: str) -> None:
    """Write what the temporary path of either kind should hold."""
    (path / "inner.txt" if path.is_dir() else path).write_text(text)


def content(target: Path) -> str:
    return (target / "inner.txt" if target.is_dir() else target).read_text()


@pytest.fixture(params=[atomic_path, atomic_folder])
def writer(request: pytest.FixtureRequest) -> Writer:
    return request.param


def test_an_output_appears_when_it_is_done_and_replaces_a_former_one(
    writer: Writer, tmp_path: Path
) -> None:
    target = tmp_path / "new folder" / "x.out"
    for text in ("first", "second"):
        with writer(target) as temporary:
            fill(temporary, text)
            assert temporary.parent == target.parent  # the rename stays on one file system
            assert not target.exists() or content(target) != text
        assert content(target) == text
        assert os.listdir(target.parent) == ["x.out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_the_former_output_and_nothing_else(
    writer: Writer, error: type[BaseException], tmp_path: Path
) -> None:
    target = tmp_path / "x.out"
    with writer(target) as temporary:
        fill(temporary, "former")
    with pytest.raises(error), writer(target) as temporary:
        fill(temporary, "half")
        raise error
    assert content(target) == "former"
    assert os.listdir(tmp_path) == ["x.out"]


def test_the_suffix_and_the_usual_permissions_are_kept(tmp_path: Path) -> None:
    former = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "x.wav") as temporary:
            assert temporary.suffix == ".wav"
            temporary.write_text("")
        with atomic_folder(tmp_path / "model") as temporary:
            fill(temporary, "")
    finally:
        os.umask(former)
    assert (tmp_path / "x.wav").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "model").stat().st_mode & 0o777 == 0o750


def test_what_cannot_be_written_is_one_error(writer: Writer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CodecError, match="cannot write"), writer(tmp_path / "file" / "x") as path:
        fill(path, "")
    with pytest.raises(CodecError, match="cannot write: No space"), writer(tmp_path / "x"):
        raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == ["file"]


def test_a_long_name_is_no_problem(writer: Writer, tmp_path: Path) -> None:
    target = tmp_path / ("ö" * 120 + ".wav")  # 244 bytes of 255
    with writer(target) as temporary:
        fill(temporary, "x")
    assert content(target) == "x"


def test_of_two_writers_one_wins_whole(writer: Writer, tmp_path: Path) -> None:
    target = tmp_path / "x.out"
    barrier = threading.Barrier(4)
    failures = []

    def write(text: str) -> None:
        barrier.wait()
        for _ in range(20):
            try:
                with writer(target) as temporary:
                    fill(temporary, text * 1_000)
            except CodecError as error:
                failures.append(error)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert content(target) in {letter * 1_000 for letter in "abcd"}
    assert os.listdir(tmp_path) == ["x.out"]
    assert not failures


def test_a_killed_writer_leaves_no_output(writer: Writer, tmp_path: Path) -> None:
    code = (
        "import os, signal; from pathlib import Path; from audiocodec.files import *\n"
        f"with {writer.__name__}(Path({str(tmp_path)!r}) / 'x.out') as path:\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert not (tmp_path / "x.out").exists()
    assert all(name.startswith(".") for name in os.listdir(tmp_path))


def test_what_a_library_raises_on_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    with pytest.raises(CodecError, match=r"model: cannot write: .*No space left"):  # noqa: SIM117
        with atomic_folder(tmp_path / "model") as folder:
            (folder / "config.yaml").write_text("a: 1")
            with library_writes():
                raise RuntimeError("serializing: No space left on device (os error 28)")
    assert not list(tmp_path.iterdir())
