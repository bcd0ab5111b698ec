"""Token shards as others read them: `datasets`, `webdataset`, and this program again."""

import gc
import shutil
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from audiocodec.codes import read_codes
from audiocodec.containers.shard_files import open_shard
from audiocodec.models.bundle import load_codec
from tests.cli.helpers import tree, write_audio

datasets = pytest.importorskip("datasets")
webdataset = pytest.importorskip("webdataset")

KINDS = pytest.mark.parametrize("kind", ["parquet", "webdataset"])
FLAT = pytest.mark.parametrize("flat", [[], ["--flatten"]], ids=["stages", "flat"])
COLUMNS = ["id", "speaker", "num_samples", "codes", "text", "source"]
COLUMNS += ["model", "model_hash", "sample_rate", "hop_length", "codebook_sizes"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path) -> Path:
    """A data directory of three utterances, their code files and their shards of both kinds."""
    from audiocodec import DecodeOptions, decode_files, encode_files

    folder = tmp_path_factory.mktemp("corpus")
    ids = ["ada-1", "ada-2", "ben-1"]
    paths = [
        write_audio(folder / "wav" / f"{name}.wav", 5000 + 777 * at) for at, name in enumerate(ids)
    ]
    lines = [f"{name} {path}" for name, path in zip(ids, paths, strict=True)]
    (folder / "wav.scp").write_text("\n".join(lines))
    (folder / "utt2spk").write_text("ada-1 ada\nada-2 ada\nben-1 ben\n")
    (folder / "text").write_text("ada-1 Bonjour à tous.\nada-2\n")
    encode_files([folder / "wav.scp"], folder / "codes", tiny_model_dir)
    decode_files([folder / "codes"], folder / "decoded", tiny_model_dir, options=DecodeOptions())
    return folder


@pytest.fixture
def shards(corpus, tmp_path, tiny_model_dir, codec):
    def make(kind: str, *options: object) -> list[Path]:
        command = ("encode", corpus, tmp_path / "shards", "--format", kind, "--shard-size", 2)
        assert codec(*command, "--model", tiny_model_dir, *options).exit_code == 0
        return sorted((tmp_path / "shards").iterdir())

    return make


def load(paths: list[Path], tmp_path: Path) -> "datasets.Dataset":
    files = [str(path) for path in paths]
    return datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache")
    )


def expected(corpus: Path, model: Path, flat: bool) -> list[dict[str, object]]:
    codec = load_codec(model)
    rows = []
    for name, text in (("ada-1", "Bonjour à tous."), ("ada-2", ""), ("ben-1", None)):
        codes, metadata = read_codes(corpus / "codes" / f"{name}.npy")
        rows.append(
            {
                "id": name,
                "speaker": name[:3],
                "num_samples": metadata.num_samples,
                "codes": (codes.T.ravel() if flat else codes).tolist(),
                "text": text,
                "source": str(corpus / "wav" / f"{name}.wav"),
                "model": codec.name,
                "model_hash": codec.weight_hash,
                "sample_rate": codec.sample_rate,
                "hop_length": codec.hop_length,
                "codebook_sizes": list(codec.codebook_sizes),
            }
        )
    return rows


@FLAT
def test_datasets_reads_every_column(corpus, tmp_path, tiny_model_dir, shards, flat):
    rows = load(shards("parquet", *flat), tmp_path)
    assert rows.column_names == COLUMNS
    assert list(rows) == expected(corpus, tiny_model_dir, bool(flat))


@FLAT
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # files it leaves
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_webdataset_reads_every_field(corpus, tiny_model_dir, shards, flat):
    paths = [str(path) for path in shards("webdataset", *flat)]
    samples = webdataset.WebDataset(paths, shardshuffle=False).decode()
    rows = [{**sample["json"], "codes": sample["npy"].tolist()} for sample in samples]
    del samples
    gc.collect()  # here, where the warnings about it are expected
    assert rows == expected(corpus, tiny_model_dir, bool(flat))


@KINDS
@FLAT
def test_shards_decode_to_the_audio_of_the_code_files(
    corpus, tmp_path, tiny_model_dir, codec, shards, kind, flat
):
    paths = shards(kind, *flat)
    assert codec("decode", *paths, tmp_path / "out", "--model", tiny_model_dir).exit_code == 0
    assert tree(tmp_path / "out") == {
        name: data for name, data in tree(corpus / "decoded").items() if name.endswith(".wav")
    }


def test_rows_that_datasets_wrote_decode_too(corpus, tmp_path, tiny_model_dir, codec, shards):
    """The schema's metadata is gone then; what the columns say is enough."""
    rows = load(shards("parquet"), tmp_path).filter(lambda row: row["speaker"] == "ada")
    rows.to_parquet(tmp_path / "ada.parquet")
    command = ("decode", tmp_path / "ada.parquet", tmp_path / "out", "--model", tiny_model_dir)
    assert codec(*command).exit_code == 0
    decoded = tree(corpus / "decoded")
    assert tree(tmp_path / "out") == {f"ada-{n}.wav": decoded[f"ada-{n}.wav"] for n in (1, 2)}


def test_merged_rows_of_two_models_are_told_apart(tmp_path, tiny_model_dir, codec, shards):
    first, second = map(pyarrow.parquet.read_table, shards("parquet"))
    at = second.schema.get_field_index("model_hash")
    other = second.set_column(at, "model_hash", pyarrow.array(["0" * 16]))
    pyarrow.parquet.write_table(pyarrow.concat_tables([first, other]), tmp_path / "both.parquet")
    outcome = codec(
        "decode", tmp_path / "both.parquet", tmp_path / "out", "--model", tiny_model_dir
    )
    assert outcome.exit_code == 3 and "row 2 (ben-1): made by model" in outcome.err
    assert len(tree(tmp_path / "out")) == 2


def test_shards_of_the_former_layout_are_read(tmp_path, shards):
    """Four columns, and the model in the schema's metadata alone."""
    path = shards("parquet")[0]
    table = pyarrow.parquet.read_table(path)
    former = table.select(["id", "speaker", "num_samples", "codes"])
    pyarrow.parquet.write_table(former, tmp_path / "former.parquet")
    new, old = open_shard(path), open_shard(tmp_path / "former.parquet")
    assert [row.id for row in old.rows] == [row.id for row in new.rows]
    assert [(row.speaker, row.text, row.source) for row in old.rows] == [("ada", None, None)] * 2
    for row in range(2):
        assert np.array_equal(old.read(row)[0], new.read(row)[0])
        assert old.read(row)[1] == new.read(row)[1]
    new.close()
    old.close()


def test_sources_in_a_folder_do_not_depend_on_where_it_lies(
    corpus, tmp_path, tiny_model_dir, codec
):
    options = ("--format", "parquet", "--model", tiny_model_dir, "--text", corpus / "text")
    for at in ("here", "there"):
        shutil.copytree(corpus / "wav", tmp_path / at / "wav")
        assert codec("encode", tmp_path / at, tmp_path / f"{at}.out", *options).exit_code == 0
    assert tree(tmp_path / "here.out") == tree(tmp_path / "there.out")
    shard = open_shard(next((tmp_path / "here.out").iterdir()))
    assert [row.source for row in shard.rows] == [
        "wav/ada-1.wav",
        "wav/ada-2.wav",
        "wav/ben-1.wav",
    ]
    assert {row.text for row in shard.rows} == {None}  # their ids are paths here
    shard.close()


def test_code_files_are_not_flattened(corpus, tmp_path, codec):
    for command in (("encode", corpus / "wav"), ("convert", corpus / "codes")):
        outcome = codec(*command, tmp_path / "out", "--flatten")
        assert outcome.exit_code == 2 and "flatten is for shards" in outcome.err
    assert not (tmp_path / "out").exists()
