"""The configuration of an experiment: the codec, its data, losses, discriminators and schedule."""

from dataclasses import dataclass
from typing import Any, Literal

from audiocodec.config import several_of
from audiocodec.data.crops import CropsConfig
from audiocodec.discriminators import DISCRIMINATORS
from audiocodec.discriminators.ms_stft import MultiScaleStftConfig
from audiocodec.errors import ConfigError
from audiocodec.losses.balancer import BalancerConfig
from audiocodec.losses.harmonic import HarmonicDistanceConfig
from audiocodec.losses.intelligibility import EnvelopeCorrelationConfig
from audiocodec.losses.loudness import LoudnessDistanceConfig
from audiocodec.losses.spectral import MultiResolutionMelConfig, MultiResolutionStftConfig
from audiocodec.models.config import CodecConfig
from audiocodec.training.guard import GuardConfig

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Best = Literal["sound", "quality", "mel", "pesq", "stoi"]

_POSITIVE: tuple[str, ...] = ("steps", "batch_size", "accumulation", "keep_checkpoints")
_POSITIVE += ("log_every", "save_every", "validate_every")
RECONSTRUCTION_TERMS = ("mel", "stft", "harmonic", "loudness", "intelligibility", "waveform")
VALIDATION_METRICS = ("pesq_wb", "stoi", "harmonic_correlation", "tonal_lines")
PERCEPTUAL_TERMS = ("loudness", "intelligibility")
WAVEFORM_TERMS = (*RECONSTRUCTION_TERMS, "adversarial", "feature_matching")


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms; 0 leaves a term out."""

    mel: float = 5.0
    stft: float = 1.0
    harmonic: float = 0.0
    loudness: float = 0.0
    intelligibility: float = 0.0
    waveform: float = 5.0
    quantizer: float = 1.0
    adversarial: float = 1.0
    feature_matching: float = 2.0
    mel_settings: MultiResolutionMelConfig = MultiResolutionMelConfig()
    stft_settings: MultiResolutionStftConfig = MultiResolutionStftConfig()
    harmonic_settings: HarmonicDistanceConfig = HarmonicDistanceConfig()
    loudness_settings: LoudnessDistanceConfig = LoudnessDistanceConfig()
    intelligibility_settings: EnvelopeCorrelationConfig = EnvelopeCorrelationConfig()
    draws: int = 1  # 2: reconstruction terms are energy distances, for heads that make noise
    balancer: BalancerConfig | None = None  # {}: weights but the quantizer's are shares of gradient

    def __post_init__(self) -> None:
        for name in (*WAVEFORM_TERMS, "quantizer"):
            if self.weight(name) < 0:
                raise ConfigError(f"losses.{name} is {self.weight(name)}; give 0 or more")
        if not any(self.weight(name) for name in RECONSTRUCTION_TERMS):
            raise ConfigError(
                f"losses.{', '.join(RECONSTRUCTION_TERMS)} are all 0; training needs one of them"
            )
        if self.draws not in (1, 2):
            raise ConfigError(f"losses.draws is {self.draws}; give 1 or 2")

    def weight(self, name: str) -> float:
        """The weight of the term called `name`."""
        weight: float = getattr(self, name)
        return weight


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW of the codec or of the discriminators."""

    learning_rate: float = 3e-4
    beta1: float = 0.8
    beta2: float = 0.99
    weight_decay: float = 0.01
    clip_norm: float | None = 1.0  # of the gradient, over all parameters; null: not clipped


@dataclass(frozen=True)
class TrainConfig:
    codec: CodecConfig = CodecConfig()
    crops: CropsConfig = CropsConfig()
    losses: LossConfig = LossConfig()
    discriminators: tuple[Any, ...] = several_of(DISCRIMINATORS, (MultiScaleStftConfig(),))
    optimizer: OptimizerConfig = OptimizerConfig()
    discriminator_optimizer: OptimizerConfig = OptimizerConfig()
    guard: GuardConfig = GuardConfig()

    seed: int = 0
    steps: int = 400_000
    batch_size: int = 16  # crops a process and update
    accumulation: int = 1  # parts that a batch is worked through in, to save memory
    autoencoder_steps: int = 500  # before the quantizer starts from the latents' statistics
    adversarial_start: int = 2_000  # step from which the discriminators train and judge
    perceptual_start: int = 0  # step from which losses.loudness and losses.intelligibility count
    warmup_steps: int = 1_000
    decay_steps: int = 40_000  # linear, at the end
    quantizer_dropout: float = 0.5  # share of rows with a random number of stages
    ema_decay: float = 0.999
    ema_warmup: bool = True  # a young average forgets faster; else the decay is constant
    precision: Precision = "auto"  # auto: bf16 if native, else fp16 on a GPU
    compile: bool = False  # torch.compile: minutes at the start, for faster steps

    log_every: int = 50
    save_every: int = 2_000
    validate_every: int = 5_000
    validation_utterances: int = 32
    validation_metrics: tuple[str, ...] = VALIDATION_METRICS  # of `codec evaluate`
    best: Best = "sound"  # what chooses EXP/model, see validation.py
    keep_checkpoints: int = 2  # the newest; that of the best model is kept besides

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; give 1 or more")
        if self.batch_size % self.accumulation:
            raise ConfigError(
                f"batch_size {self.batch_size} has no {self.accumulation} equal parts; "
                "change it or accumulation"
            )
        head = getattr(self.codec.decoder, "head", None)
        if self.losses.draws > 1 and not getattr(head, "makes_noise", False):
            raise ConfigError(
                f"losses.draws is {self.losses.draws}, but this decoder makes no noise that could "
                "differ; give 1, or codec.decoder.head.kind=harmonic"
            )
        others = set(RECONSTRUCTION_TERMS).difference(PERCEPTUAL_TERMS)
        if self.perceptual_start > 0 and not any(map(self.losses.weight, others)):
            raise ConfigError(
                f"perceptual_start is {self.perceptual_start}, and there is no other loss before; "
                "give 0, or a weight to losses.mel"
            )
        if not 0 <= self.autoencoder_steps < self.steps:
            raise ConfigError(
                f"autoencoder_steps is {self.autoencoder_steps}; give 0 to steps - 1 ({self.steps})"
            )
