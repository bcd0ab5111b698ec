"""A corpus behind `s3://`, on a server of this test."""

from collections.abc import Iterator

import pytest

from audiocodec.data import stores
from tests.cli.helpers import tree, write_audio

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the server's libraries
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket, which is gone afterwards."""
    server = pytest.importorskip("moto.server", reason="a development package")
    s3fs = pytest.importorskip("s3fs", reason="a development package")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        for name, value in (
            ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
            ("AWS_ACCESS_KEY_ID", "testing"),
            ("AWS_SECRET_ACCESS_KEY", "testing"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ):
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("speech")
        yield "s3://speech"
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        running.stop()


def test_a_bucket_is_encoded_to_a_bucket_as_a_folder_is_to_a_folder(
    bucket, tmp_path, tiny_model_dir, codec
):
    for index in range(4):
        path = write_audio(tmp_path / "in" / f"{index}.wav", 2000 + 100 * index)
        stores.write_bytes(f"{bucket}/in/{index}.wav", path.read_bytes())
    stores.write_bytes(f"{bucket}/in/4.wav", b"no audio")
    (tmp_path / "in" / "4.wav").write_bytes(b"no audio")
    options = ("--model", tiny_model_dir, "--format", "parquet", "--shard-size", 2)
    assert codec("encode", tmp_path / "in", tmp_path / "out", *options).exit_code == 3
    outcome = codec("encode", f"{bucket}/in", f"{bucket}/out", *options)
    assert outcome.exit_code == 3, outcome.err
    assert f"{bucket}/in/4.wav: not readable as audio" in outcome.err
    expected = tree(tmp_path / "out")
    assert {name: stores.read_bytes(f"{bucket}/out/{name}") for name in expected} == expected
    outcome = codec("encode", f"{bucket}/in", f"{bucket}/out", *options, "--skip-existing")
    assert "4 were there already" in outcome.err
    outcome = codec("encode", f"{bucket}/nothing.tar", f"{bucket}/out", *options)
    assert outcome.exit_code == 1 and f"{bucket}/nothing.tar: no such file" in outcome.err
