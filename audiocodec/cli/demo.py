"""`codec demo`: encode, decode, measure and draw an utterance, and a page to hear it."""

import argparse
import time
from pathlib import Path

from audiocodec.audio import read_waveform, write_waveform
from audiocodec.cli.arguments import add_examples, add_model_arguments, load_model, positive
from audiocodec.cli.output import print_report
from audiocodec.codes import read_codes, write_codes
from audiocodec.data.samples import demo_speech
from audiocodec.evaluation.codes_figure import draw
from audiocodec.pipeline.listening import listening_page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec demo`."""
    add_model_arguments(parser)
    parser.add_argument("--audio", metavar="FILE", help="default: two shipped sentences")
    parser.add_argument("--output", default="demo", metavar="DIR", help="default: demo")
    parser.add_argument("--num-quantizers", type=positive, metavar="N", help="default: all")
    add_examples(parser, "codec demo", "codec demo --audio speech.wav --output demo")


def run(args: argparse.Namespace) -> None:
    """Write original, codes, decoded speech, picture and page; print the figures."""
    from audiocodec.evaluation.scoring import score_signals
    from audiocodec.models.transcoder import Transcoder  # torch takes seconds to load

    transcoder = Transcoder(load_model(args))
    folder = Path(args.output)
    source = Path(args.audio) if args.audio else demo_speech()
    files = {name: folder / name for name in ("original.wav", "codes.npy", "decoded.wav")}
    sound = transcoder.read(source)
    rate = sound.info.sample_rate
    transcoder.decode(transcoder.encode([sound]))  # what is done once per run is no speed
    start = time.perf_counter()
    coded = transcoder.encode([sound], args.num_quantizers)[0]
    write_codes(files["codes.npy"], coded.codes, coded.metadata)
    decoded = transcoder.decode([read_codes(files["codes.npy"])])[0].restored()
    elapsed = time.perf_counter() - start
    original = read_waveform(source)
    write_waveform(files["original.wav"], original, rate)
    write_waveform(files["decoded.wav"], decoded, rate)
    model, bitrate = coded.metadata.model, coded.metadata.bitrate
    picture = folder / "demo.png"
    caption = f"codes of {model}: {bitrate / 1000:g} kbit/s"
    draw(picture, original[0], decoded[0], coded.codes, rate, caption)
    scores, reasons = score_signals(original[0], decoded[0], rate, ("pesq_wb", "stoi"))
    files |= {"demo.png": picture, "listen.html": folder / "listen.html"}
    listening_page(transcoder, [source], files["listen.html"])
    report = {
        "audio": str(source),
        "model": model,
        "bitrate": bitrate,
        "samples_in": sound.info.num_samples,
        "samples_out": decoded.shape[-1],
        "times_real_time": sound.duration / elapsed,
        **scores,
        **{name: f"not defined: {reason}" for name, reason in reasons.items()},
        "files": {name: str(path) for name, path in files.items()},
    }
    print_report(report, as_json=False)
