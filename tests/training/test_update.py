"""One update: gradients as if written out, in parts, in half precision, balanced, compiled."""

from dataclasses import replace

import pytest
import torch

from audiocodec.config import to_dict
from audiocodec.errors import ConfigError
from audiocodec.losses.adversarial import discriminator_loss, generator_loss
from audiocodec.losses.feature_matching import feature_matching_loss
from audiocodec.training.backward import Phase, TrainingBatch
from audiocodec.training.networks import Networks
from audiocodec.training.optimization import LossScale, gradient_norm, scale_and_clip
from audiocodec.training.update import Updater, resolve_precision
from tests.training.helpers import tiny_config

BOTH = Phase(quantize=True, adversarial=True)
CPU = torch.device("cpu")
PLAIN = [{"kind": "ms_stft", "n_ffts": [256], "channels": 2, "normalised_features": False}]


def updater(**options: object) -> Updater:
    """An updater whose quantizer was started from noise, so that stages differ."""
    config = tiny_config(**options)
    networks = Networks(config, "tiny", CPU)
    codec = networks.codec
    with torch.no_grad():
        codec.quantizer.initialize(codec.encoder(batch(rows=4)))
    return Updater(config, networks, CPU)


def batch(rows: int = 4) -> torch.Tensor:
    return 0.1 * torch.randn(rows, 1, 4800, generator=torch.Generator().manual_seed(1))


def stages(rows: int = 4) -> torch.Tensor:
    return torch.tensor([1, 2] * (rows // 2))


def gradients(subject: Updater) -> dict[str, torch.Tensor]:
    modules = (subject.networks.codec, subject.networks.discriminators)
    return {
        f"{index}.{name}": parameter.grad.clone()
        for index, module in enumerate(modules)
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }


def assert_close(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], tolerance: float):
    assert found.keys() == wanted.keys()
    small = 1e-3 * gradient_norm(wanted.values())  # a bias whose real and fake parts cancel
    for name, tensor in wanted.items():
        error = (found[name] - tensor).norm() / tensor.norm().clamp_min(small)
        assert error < tolerance, (name, float(error))


def test_gradients_are_those_of_each_networks_own_loss_written_out():
    subject = updater()
    subject.backward_pass(TrainingBatch(batch(), stages()), BOTH)
    found = gradients(subject)
    networks, config = subject.networks, subject.config.losses
    networks.codec.zero_grad()
    networks.discriminators.zero_grad()
    output = networks.codec(batch(), stages())
    total = config.quantizer * output.quantized.loss
    for name, loss in subject.backward_pass.reconstruction.items():
        total = total + config.weight(name) * loss(batch(), output.waveform)
    outputs = networks.discriminators(batch(), output.waveform)
    total = total + config.adversarial * generator_loss(outputs)
    total = total + config.feature_matching * feature_matching_loss(outputs)
    total.backward()
    networks.discriminators.zero_grad()  # which the straightforward way computes for nothing
    outputs = networks.discriminators(batch(), output.waveform.detach())
    discriminator_loss(outputs).backward()
    assert_close(found, gradients(subject), 1e-4)


def test_what_is_heard_counts_from_its_own_step_on():
    heard = {"loudness": 2.0, "intelligibility": 40.0}
    config = tiny_config(losses=heard, perceptual_start=3, autoencoder_steps=0)
    found = {}
    for name, losses, step in (("before", heard, 2), ("never", {}, 2), ("after", heard, 3)):
        subject = updater(losses=losses)
        phase = replace(Phase.at(step, config), adversarial=False)
        (outcome,) = subject.backward(TrainingBatch(batch(), stages()), phase)
        assert (heard.keys() <= outcome.terms.keys()) == (name == "after")
        found[name] = gradients(subject)
    assert_close(found["before"], found["never"], 1e-9)
    with pytest.raises(AssertionError):
        assert_close(found["after"], found["before"], 0.01)
    with pytest.raises(ConfigError, match="no other loss before"):
        silent = dict.fromkeys(("mel", "stft", "harmonic", "waveform"), 0.0)
        tiny_config(losses=silent | heard, perceptual_start=3)


def test_a_batch_in_parts_is_the_batch_at_once():
    # Without what is relative to a statistic of the part: quantizer loss, normalised features.
    losses = {"quantizer": 0.0, "mel_settings": {"windows": [512], "n_mels": [20]}}
    found = []
    for accumulation in (1, 2):
        subject = updater(
            losses=losses, discriminators=PLAIN, batch_size=4, accumulation=accumulation
        )
        bandwidth = torch.tensor([4e3, 12e3, 12e3, 8e3])
        subject.backward(TrainingBatch(batch(), stages(), bandwidth), BOTH)
        found.append(gradients(subject))
    assert_close(found[1], found[0], 1e-3)


def test_float16_gradients_are_scaled_back_to_those_of_float32():
    found = []
    for precision in ("fp32", "fp16"):
        subject = updater(precision=precision)
        scale = 2.0**8 if precision == "fp16" else 1.0
        subject.loss_scale = LossScale(scale)
        subject.backward(TrainingBatch(batch(), stages()), Phase(quantize=False, adversarial=True))
        found.append({name: grad / scale for name, grad in gradients(subject).items()})
    assert_close(found[1], found[0], 0.05)


def test_a_float16_overflow_halves_the_scale_and_moves_nothing():
    subject = updater(precision="fp16")
    subject.loss_scale = LossScale(2.0**120)
    before = {n: t.clone() for n, t in subject.networks.codec.state_dict().items()}
    done = subject.update(TrainingBatch(batch(), stages()), BOTH)
    assert done.overflow and subject.loss_scale.value == 2.0**119
    for name, tensor in subject.networks.codec.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    subject.loss_scale = LossScale(2.0**10)
    assert subject.update(TrainingBatch(batch(), stages()), BOTH).bad is None


def test_the_scale_grows_after_many_good_steps_and_never_ends():
    scale = LossScale(2.0)
    assert not scale.shrank() and scale.value == 2
    for _ in range(2000):
        scale.grew()
    assert scale.value == 4
    assert scale.shrank() and scale.value == 2


def test_clipping_bounds_the_norm_and_undoes_the_scale():
    grads = [torch.tensor([3.0, 0.0]) * 8, torch.tensor([[4.0]]) * 8]
    norm = float(gradient_norm(grads)) / 8
    assert norm == pytest.approx(5)
    scale_and_clip(grads, norm, loss_scale=8, clip_norm=None)
    assert float(gradient_norm(grads)) == pytest.approx(5)
    scale_and_clip(grads, 5.0, loss_scale=1, clip_norm=0.5)
    assert float(gradient_norm(grads)) == pytest.approx(0.5)


def test_the_balancer_gives_each_term_its_share_whatever_its_scale():
    # Alone, a term sends on a mean gradient of norm 1 an example, for any weight.
    found = []
    for weight in (1.0, 100.0):
        losses = {"mel": 0.0, "stft": 0.0, "waveform": weight, "balancer": {"decay": 0.0}}
        subject = updater(losses=losses)
        fake = torch.zeros(4, 1, 4800, requires_grad=True)
        terms = {"waveform": subject.backward_pass.reconstruction["waveform"](batch(), fake)}
        found.append(
            subject.backward_pass.waveform_gradient(terms, fake, scale=8.0, keep_graph=False)
        )
    assert torch.equal(found[0], found[1])
    norms = found[0].flatten(1).norm(dim=1) / 8 * 4  # scale, and mean over four examples
    assert norms.mean() == pytest.approx(1, rel=1e-4)
    assert subject.backward_pass.balancer.sums.max() < 1  # norms are kept without the scale


def test_the_loss_falls_and_every_network_moves(make_trainer):
    trainer = make_trainer(steps=60, autoencoder_steps=20, adversarial_start=50)
    waveform = next(trainer.batches()).waveform
    codec, mel = trainer.networks.codec, trainer.updater.backward_pass.reconstruction["mel"]

    def distance() -> float:
        with torch.no_grad():
            return mel(waveform, codec(waveform).waveform).item()

    start, judges = distance(), trainer.networks.discriminators
    before = {name: tensor.clone() for name, tensor in judges.state_dict().items()}
    trainer.run()
    assert distance() < 0.85 * start
    assert not any(torch.equal(t, before[n]) for n, t in judges.state_dict().items() if t.dim() > 1)


def test_precision_is_chosen_by_what_the_device_multiplies_fast(monkeypatch):
    for native, wanted in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda native=native: native)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        assert resolve_precision("auto", CPU) == wanted
    assert resolve_precision("fp16", CPU) == "fp16"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of what torch imports to compile
def test_compiled_networks_have_the_same_gradients_and_names():
    found = []
    for compiled in (False, True):
        subject = updater(compile=compiled)
        subject.backward_pass(TrainingBatch(batch(), stages()), BOTH)
        found.append(gradients(subject))
    assert_close(found[1], found[0], 1e-3)
    assert not any("_orig_mod" in name for name in subject.networks.codec.state_dict())


NOISE = {"direct": 8, "source": 6, "start": 5, "knots": 4, "bands": 2, "kind": "harmonic"}


def noisy(**options: object) -> Updater:
    codec = tiny_config().codec
    decoder = {"kind": "convnext", "channels": 8, "blocks": 1, "head": NOISE}
    tree = {**to_dict(codec), "decoder": decoder}
    return updater(codec=tree, losses={"draws": 2, "harmonic": 1.0}, **options)


def test_two_draws_train_every_weight_beside_discriminators():
    subject = noisy()
    outcome = subject.backward_pass(TrainingBatch(batch(), stages(), torch.full((4,), 9e3)), BOTH)
    assert {"harmonic", "adversarial", "feature_matching"} <= outcome.terms.keys()
    assert all(torch.isfinite(term) for term in outcome.terms.values())
    head = subject.networks.codec.decoder.head
    assert head.project.weight.grad.abs().sum(1).all()


def test_two_draws_of_a_decoder_without_noise_are_refused():
    with pytest.raises(ConfigError, match=r"losses\.draws is 2"):
        updater(losses={"draws": 2})
