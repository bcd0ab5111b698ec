"""How a run over many files goes: what commands and functions can be told about it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audiocodec.channels import Channel


@dataclass(frozen=True)
class BatchOptions:
    """Options of everything that works through files.

    jobs: threads that read and write files.
    threads: CPU threads of the model; None for all cores.
    runtime: what runs a model that has to be loaded, as of `load_codec`: onnx or torch; None for
        onnx, which starts at once, where it will do. The codes are the same.
    batch_seconds: audio to run at once; None for what suits the device.
    skip_existing: leave outputs that exist as they are.
    manifest: file to write what became of each input to, as lines of JSON.
    report: show progress, failures and a summary on stderr.
    """

    jobs: int = 2
    threads: int | None = None
    runtime: str | None = None
    batch_seconds: float | None = None
    skip_existing: bool = False
    manifest: Path | None = None
    report: bool = False


@dataclass(frozen=True)
class ConvertOptions(BatchOptions):
    """What to write of codes.

    format: of the files: npy, npz or codec; or of shards: parquet or webdataset.
    entropy: make `.codec` files smaller with the model's entropy tables, which readers then need.
    utt2spk, text: files with speakers and texts by utterance, for shards; None for those beside
        the lists (`*.scp`) or in the data directories that are the inputs.
    shard_size: utterances in a shard.
    flatten: store the codes of an utterance in a shard as one list, frame by frame, instead of a
        list for each stage.
    """

    format: str = "npy"
    entropy: bool = False
    utt2spk: Path | None = None
    shard_size: int = 5000
    text: Path | None = None
    flatten: bool = False


@dataclass(frozen=True)
class EncodeOptions(ConvertOptions):
    """What to make of audio.

    num_quantizers: how many of the model's to use; None for all.
    beams: of a model that has to be loaded, as of `load_codec`: more sound better and are slower.
    channel: the number of one from 0, "mix" for the mean of all, "each" for all of them.
    allow_truncated: take files that were cut short as far as they go.
    run_commands: run the entries of a list that are shell commands; for lists that are trusted.
    part, of: do part `part` of `of`, numbered from 1, which other jobs complete; None for all.
    shard_hours: of audio in a shard, where the source says how long its utterances are.
    engine: "local" is this process; "ray" a Ray cluster, for shards.
    address: of the cluster; None for that of RAY_ADDRESS, else one started here for this run.
    actors: processes with a model each; None for as many as the cluster has room for.
    gpus_per_actor: may be a part of one; 0 encodes on CPUs.
    """

    num_quantizers: int | None = None
    beams: int = 1
    channel: Channel = "mix"
    allow_truncated: bool = False
    run_commands: bool = False
    part: int | None = None
    of: int | None = None
    shard_hours: float | None = None
    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    actors: int | None = None
    gpus_per_actor: float = 0


@dataclass(frozen=True)
class DecodeOptions(BatchOptions):
    """What to write of decoded audio; format: wav, flac or ogg."""

    format: str = "wav"
