"""What encoding does to every sound, whatever becomes of the codes."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from audiocodec.codes import Coded
from audiocodec.data.stores import StoreError
from audiocodec.errors import DataError
from audiocodec.pipeline import batch, models
from audiocodec.pipeline.options import EncodeOptions
from audiocodec.pipeline.paths import Item, input_file

if TYPE_CHECKING:
    from audiocodec.models.chunking import LongSound
    from audiocodec.models.transcoder import Sound, Transcoder


def load_encoder(model: models.ModelName, device: str, options: EncodeOptions) -> "Transcoder":
    """The model of a run, ready to encode.

    Raises:
        ConfigError: it has fewer quantizers than are asked for, or cannot use beams.
    """
    transcoder = models.load_transcoder(model, device, options.runtime, options.beams)
    transcoder.codec.resolve_num_quantizers(options.num_quantizers)  # refuses too many
    transcoder.codec.encoding()  # made once, before threads share it
    return transcoder


def batch_seconds(transcoder: "Transcoder", device: str, options: EncodeOptions) -> float:
    """Seconds of audio to encode at once."""
    return models.batch_seconds(options, device, transcoder.codec.batch_seconds)


def encoding(
    transcoder: "Transcoder",
    options: EncodeOptions,
    save: Callable[[Item, Coded], None],
    unreachable: Callable[[StoreError], object] = lambda _: None,
) -> "batch.Pipeline[Sound | LongSound, Coded]":
    """Read, encode, `save`; `unreachable` hears of a store that did not answer, too."""

    def load(item: Item) -> "Sound | LongSound":
        if item.command and not options.run_commands:
            raise DataError(
                f"{item.name}: is a command, which is not run ({item.command}); give "
                "--run-commands if you trust the list"
            )
        try:
            with input_file(item, transcoder.stopped) as source:
                return transcoder.read(
                    source, options.channel, span=item.span, allow_truncated=options.allow_truncated
                )
        except StoreError as error:
            unreachable(error)
            raise

    def compute(sounds: Sequence["Sound | LongSound"]) -> Sequence[Coded]:
        return transcoder.encode(sounds, options.num_quantizers, options.channel)

    return batch.Pipeline(load, compute, save, lambda s: s.duration, transcoder.stopped.set)
