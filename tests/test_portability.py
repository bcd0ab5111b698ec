"""Nothing assumes Linux: names, encodings, signals, processes and files of other systems."""

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from audiocodec import files
from audiocodec.audio import audio_info, write_waveform
from audiocodec.errors import ConfigError
from audiocodec.pipeline import paths
from audiocodec.soundfiles import sources

PACKAGE = Path(__file__).parent.parent / "audiocodec"
# A system that lacks what Windows lacks, and starts processes afresh as Windows and macOS do. The
# libraries below us are imported first, since they adapt to the system that they are made for.
BARE = """
import importlib, multiprocessing, os, pkgutil, signal, sys
import filelock, numpy, soundfile, soxr, torch, torch.multiprocessing, torch.distributed
for name in ("torchaudio", "pebble", "joblib", "librosa", "pandas", "huggingface_hub", "tqdm.auto",
             "accelerate", "asyncio", "fsspec", "tarfile", "pyarrow"):
    try:
        importlib.import_module(name)
    except ImportError:
        pass
ABSENT = {"os": "fork forkpty killpg setsid getuid geteuid getpgid mkfifo pread pwrite nice "
                "sched_getaffinity sched_setaffinity statvfs O_NONBLOCK O_CLOEXEC O_DIRECTORY",
          "signal": "SIGUSR1 SIGUSR2 SIGHUP SIGALRM SIGPIPE alarm pause"}
for module, names in ABSENT.items():
    for name in names.split():
        if hasattr(sys.modules[module], name):
            delattr(sys.modules[module], name)
sys.modules.update(dict.fromkeys(["resource", "fcntl", "pwd", "grp", "termios"]))
import audiocodec

def double(number):
    return 2 * number

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
"""


def run(script: Path, code: str, *arguments: object, **options) -> subprocess.CompletedProcess:
    script.write_text(BARE + code, encoding="utf-8")
    command = [sys.executable, "-W", "ignore", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, **options)


def test_every_module_can_be_imported_where_there_is_no_posix(tmp_path):
    done = run(
        tmp_path / "bare.py",
        """
    for found in pkgutil.walk_packages(audiocodec.__path__, "audiocodec."):
        if not found.name.endswith("__main__"):
            try:
                importlib.import_module(found.name)
            except audiocodec.errors.MissingPackage:
                pass  # of an extra that is not installed
    print("all")
""",
        text=True,
    )
    assert (done.stdout, done.stderr) == ("all\n", "")


def test_files_are_coded_and_processes_read_where_there_is_no_posix(
    tmp_path, tiny_model_dir, speech
):
    for name in ("a", "b"):
        write_waveform(tmp_path / "in" / "deep" / f"{name}.wav", speech[None, :6_000], 24_000)
    done = run(
        tmp_path / "bare.py",
        """
    from audiocodec.cli.main import main
    from audiocodec.data.readers import Readers
    from audiocodec.training.interruption import StopRequest
    assert list(Readers(double, 5, 2, lambda: False)) == [0, 2, 4, 6, 8]
    with StopRequest().listening():
        pass
    folder, model = sys.argv[1:]
    for step in (["encode", "in", "codes"], ["decode", "codes", "back"]):
        done = main([step[0], *(f"{folder}/{name}" for name in step[1:]), "--model", model])
        assert done == 0, step
    assert main(["verify", f"{folder}/codes"]) == 0
    os.rename(model, model + "2")
    assert main(["model", "export", model + "2", model]) == 0
    assert main(["model", "export", model + "2", model]) in (0, 1, 2)  # a folder that is there
""",
        tmp_path,
        _copy_of(tiny_model_dir, tmp_path / "model"),
        text=True,
    )
    assert done.returncode == 0, done.stderr
    made = sorted((tmp_path / "back").rglob("*.wav"))
    assert [path.relative_to(tmp_path).as_posix() for path in made] == [
        "back/deep/a.wav",
        "back/deep/b.wav",
    ]
    assert audio_info(made[0]).num_samples == 6_000


def _copy_of(folder: Path, target: Path) -> Path:
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_commands_that_print_audio_are_ended_where_there_are_no_sessions(monkeypatch):
    from threading import Event

    from audiocodec.data import commands
    from audiocodec.errors import AudioError

    monkeypatch.delattr(os, "killpg", raising=False)
    stopped = Event()
    stopped.set()
    with open(os.devnull, "w+b") as target, pytest.raises(AudioError, match="stopped"):
        commands.run_command("exec sleep 60", target, stopped)


NAMES = "Žluťoučký kůň 日本 😀"


@pytest.mark.parametrize("encoding", ["cp1252"])
def test_names_that_a_terminal_cannot_show_stop_nothing_and_json_stays_json(
    tmp_path, tiny_model_dir, speech, encoding
):
    write_waveform(tmp_path / f"{NAMES}.wav", speech[None, :3_000], 24_000)
    (tmp_path / f"{NAMES} broken.wav").write_bytes(b"RIFF")
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    codec = [sys.executable, "-m", "audiocodec"]

    def call(*arguments: object) -> subprocess.CompletedProcess[bytes]:
        command = [*codec, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, env=environment, check=False)

    done = call("encode", tmp_path, tmp_path / "codes", "--model", tiny_model_dir)
    assert done.returncode == 3
    errors = done.stderr.decode(encoding).splitlines()
    assert "broken.wav" in errors[0] and "Traceback" not in "".join(errors)
    target = tmp_path / "codes" / f"{NAMES}.npy"
    assert target.is_file()
    shown = call("info", target, "--json")
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert NAMES in json.dumps(json.loads(shown.stdout.decode(encoding)), ensure_ascii=False)
    assert call("info", target).returncode == 0


def text_calls(tree: ast.AST):
    """Calls that read or write text, each with whether it says in which encoding."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        keywords = {word.arg: word.value for word in node.keywords}
        mode = ast.unparse(node.args[1]) if len(node.args) > 1 else "'r'"
        mode = ast.unparse(keywords["mode"]) if "mode" in keywords else mode
        if function == "open" and "b" not in mode:
            yield node, "encoding" in keywords
        elif function.endswith((".read_text", ".write_text")):
            position = 0 if function.endswith(".read_text") else 1
            yield node, "encoding" in keywords or len(node.args) > position
        elif function.startswith("subprocess.") and (
            {"text", "universal_newlines"} & set(keywords)
        ):
            yield node, "encoding" in keywords


def test_text_is_never_in_the_encoding_of_the_machine():
    calls = 0
    for path in PACKAGE.rglob("*.py"):
        for node, says in text_calls(ast.parse(path.read_text(encoding="utf-8"))):
            calls += 1
            assert says, f"{path}:{node.lineno} names no encoding"
    assert calls > 10  # the walk sees them


@pytest.mark.parametrize(
    ("identifier", "anywhere", "on_windows"),
    [
        ("speaker/utterance", True, True),
        ("a..b", True, True),
        ("console", True, True),
        ("spk:utt", True, False),
        ("what?", True, False),
        ("back\\slash", True, False),
        ("aux", True, False),
        ("NUL.1/x", True, False),
        ("dot.", True, False),
        ("blank /x", True, False),
        ("../up", False, False),
        ("/absolute", False, False),
        ("nul\0l", False, False),
    ],
)
def test_an_id_names_a_file_only_where_it_can(identifier, anywhere, on_windows):
    assert files.can_name(identifier, windows=False) == anywhere
    assert files.can_name(identifier, windows=True) == on_windows


def test_two_ids_that_differ_in_case_collide_where_case_is_ignored(tmp_path, monkeypatch, speech):
    for name in ("Ann", "ann"):
        write_waveform(tmp_path / name / "1.wav", speech[None, :400], 24_000)

    def plan() -> paths.Plan:
        inputs = [str(tmp_path / "Ann"), str(tmp_path / "ann")]
        lists = [tmp_path / f"{index}.scp" for index in range(2)]
        for path, folder, name in zip(lists, inputs, ("Utt", "utt"), strict=True):
            path.write_text(f"{name} {folder}/1.wav\n", encoding="utf-8")
        return paths.plan([*map(str, lists)], str(tmp_path / "out"), [".wav"], ".npy", "codes.scp")

    assert len(plan().items) == 2
    monkeypatch.setattr(files, "_ignores_case", lambda folder: True)
    with pytest.raises(ConfigError, match="would both become"):
        plan()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_whether_a_folder_ignores_case_is_found_out(tmp_path):
    folder = tmp_path / "Case"
    folder.mkdir()
    files._ignores_case.cache_clear()
    assert not files._ignores_case(folder / "not" / "made")  # as the tests' file system does not
    (tmp_path / "cASE").symlink_to(folder)
    files._ignores_case.cache_clear()
    assert files._ignores_case(folder)
    assert files.same_file_key(folder / "É") == files.same_file_key(folder / "e\u0301")


def test_sound_is_read_at_any_place_without_pread(tmp_path, monkeypatch):
    path = tmp_path / "numbers"
    path.write_bytes(bytes(range(256)) * 40)
    monkeypatch.delattr(os, "pread", raising=False)
    with open(path, "rb") as file:
        file.seek(100)
        view = sources.open_view(file)
        assert view.read(5_000, 8) == bytes(number % 256 for number in range(5_000, 5_008))
        assert view.head[:2] == b"\0\1" and view.read(10_239, 5) == b"\xff"
        view.close()
        assert os.fstat(file.fileno())


def test_a_model_folder_takes_the_place_of_another_as_windows_renames(tmp_path, monkeypatch):
    rename = os.replace

    def as_windows(source, target):
        if os.path.isdir(target):
            raise PermissionError(13, "Access is denied", str(target))
        rename(source, target)

    monkeypatch.setattr(os, "replace", as_windows)
    monkeypatch.setattr(files, "_IN_THE_WAY", {*files._IN_THE_WAY, 13})
    for text in ("old", "new"):
        with files.atomic_folder(tmp_path / "model") as folder:
            (folder / "file").write_text(text, encoding="utf-8")
    assert (tmp_path / "model" / "file").read_text(encoding="utf-8") == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_only_signals_that_exist_stop_a_run():
    from audiocodec.environment import STOP_SIGNALS

    assert signal.SIGTERM in STOP_SIGNALS and signal.SIGINT in STOP_SIGNALS
