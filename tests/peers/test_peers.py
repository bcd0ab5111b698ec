"""Other codecs behind one interface: their own results, exact lengths, honest bitrates."""

import math
import re

import pytest
import torch
from weights_on_disk import SAVED

from audiocodec.errors import CodecError, ConfigError, ModelError
from audiocodec.peers.base import Codebook, Peer
from audiocodec.peers.loading import PEERS, PeerOptions

pytestmark = pytest.mark.filterwarnings("ignore")  # of old packages


def noise(peer: Peer, seconds: float = 0.5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return 0.1 * torch.randn(
        peer.num_channels, int(seconds * peer.sample_rate), generator=generator
    )


def of_package(key: str, peer: Peer, waveform: torch.Tensor) -> torch.Tensor:
    """What the package's own forward makes of a waveform."""
    model, batch = peer.model, waveform.unsqueeze(0)
    if key == "encodec_of_transformers":
        return model(batch, bandwidth=6.0).audio_values[0]
    if key.startswith("encodec"):
        model.set_target_bandwidth(6.0)
        return model(batch)[0]
    if key in ("dac", "snac"):
        found = model(batch)
        return found["audio"][0] if key == "dac" else found[0][0]
    if key == "dac_of_transformers":
        return model(batch).audio_values
    if key == "mimi":
        return model(batch, num_quantizers=8).audio_values[0]
    return model(waveform, bandwidth_id=torch.tensor([2]))  # 6 kbit/s


@torch.inference_mode()
@pytest.mark.parametrize("key", SAVED)
def test_a_peer_does_what_its_package_does_with_the_saved_weights(saved, key):
    peer = PeerOptions(key.partition("_")[0], saved(key)).load()
    waveform = noise(peer)
    coded = peer.encode(waveform)
    expected = of_package(key, peer, waveform)
    shared = min(expected.shape[-1], waveform.shape[-1])
    decoded = peer.decode(coded)
    assert shared > 0.95 * waveform.shape[-1] and decoded.shape[0] == peer.num_channels
    torch.testing.assert_close(decoded[:, :shared], expected[:, :shared])
    stages = peer.stages(coded)
    assert len(stages) == len(peer.codebooks)
    for codes, book in zip(stages, peer.codebooks, strict=True):
        frames = 0.5 * book.rate
        assert frames <= len(codes) < frames + 2.2 * max(1, peer.codebooks[-1].rate / book.rate) + 4
        assert codes.min() >= 0 and codes.max() < book.size and len(codes.unique()) > 1


@pytest.mark.parametrize(
    ("key", "bitrate"),
    [("encodec", 6000), ("encodec_48khz", 6000), ("vocos", 6000), ("vocos_of_mel", None)],
)
def test_the_default_bitrate_is_that_of_the_published_samples(saved, key, bitrate):
    assert PeerOptions(key.partition("_")[0], saved(key)).load().bitrate == bitrate


def test_codebooks_of_several_rates_add_up():
    three = [Codebook(4096, 12.0), Codebook(4096, 24.0), Codebook(16, 48.0)]

    class Three(Peer):
        name = "three"
        encode = decode = stages = None  # type: ignore[assignment]

    peer = Three(torch.nn.Identity(), "", 24_000, three, [2, 3])
    assert peer.bitrate == 12 * (12 + 24) + 4 * 48
    peer.choose(bandwidth=0.432)
    assert peer.num_quantizers == 2 and math.isclose(peer.bitrate, 432)
    with pytest.raises(ConfigError, match=re.escape("quantizers 2 (0.432 kbit/s), 3")):
        peer.choose(num_quantizers=1)


@pytest.mark.parametrize(
    ("key", "options", "message"),
    [
        ("encodec", {"num_quantizers": 3}, r"2 \(1.5 kbit/s\).*not 3$"),
        ("encodec", {"bandwidth": 5.0}, "not 5 kbit/s$"),
        ("snac", {"num_quantizers": 1}, "not 1$"),
        ("vocos_of_mel", {"bandwidth": 6.0}, "has no quantizers to choose, not 6 kbit/s"),
    ],
)
def test_a_rate_that_a_codec_was_not_made_for_is_refused(saved, key, options, message):
    with pytest.raises(ConfigError, match=message):
        PeerOptions(key.partition("_")[0], saved(key), **options).load()


def test_half_the_bandwidth_takes_half_the_codebooks(saved):
    peer = PeerOptions("encodec", saved("encodec_of_transformers"), bandwidth=3.0).load()
    assert len(peer.stages(peer.encode(noise(peer)))) == peer.num_quantizers == 4


@pytest.mark.parametrize("name", PEERS)
def test_a_folder_without_usable_weights_is_one_line_that_names_it(tmp_path, name):
    missing = PeerOptions(name, tmp_path / "absent")
    with pytest.raises(ModelError, match="absent: no such folder"):
        missing.load()
    pytest.importorskip({"mimi": "transformers", "dac": "transformers"}.get(name, name))
    with pytest.raises(ModelError, match=re.escape(str(tmp_path))):
        PeerOptions(name, tmp_path).load()
    for file in ("weights.pth", "encodec_24khz.th", "pytorch_model.bin", "model.safetensors"):
        (tmp_path / file).write_bytes(b"not weights")
    kind = "encodec" if name == "encodec" else name
    (tmp_path / "config.json").write_text(f'{{"model_type": "{kind}"}}', encoding="utf-8")
    (tmp_path / "config.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(CodecError, match=re.escape(str(tmp_path))) as caught:
        PeerOptions(name, tmp_path).load()
    assert "\n" not in str(caught.value)


def test_weights_of_half_a_model_are_refused(tmp_path, saved):
    folder = saved("mimi")
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    state.pop(sorted(state)[-1])
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(ModelError, match="lacks 1 weights"):
        PeerOptions("mimi", tmp_path).load()


def test_a_configuration_cannot_run_code_of_its_own(tmp_path, saved):
    folder = saved("vocos_of_mel")
    text = (folder / "config.yaml").read_text(encoding="utf-8")
    evil = text.replace("vocos.heads.ISTFTHead", "os.system")
    (tmp_path / "config.yaml").write_text(evil, encoding="utf-8")
    (tmp_path / "pytorch_model.bin").write_bytes((folder / "pytorch_model.bin").read_bytes())
    with pytest.raises(ModelError, match=r"names os\.system"):
        PeerOptions("vocos", tmp_path).load()


@torch.inference_mode()
def test_mimi_streams_its_first_codes_as_it_codes_the_whole(saved):
    peer = PeerOptions("mimi", saved("mimi")).load()
    waveform = noise(peer)
    taken, codes = peer.first_codes(waveform)
    assert taken == 1920 and torch.equal(codes, peer.encode(waveform)[..., :1])


def test_vocos_leaves_the_package_of_encodec_as_it_was(saved):
    encodec = pytest.importorskip("encodec")
    former = encodec.EncodecModel.encodec_model_24khz
    PeerOptions("vocos", saved("vocos")).load()
    assert encodec.EncodecModel.encodec_model_24khz is former
