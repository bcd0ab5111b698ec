"""A corpus to shards of codes, by one process or by a Ray cluster."""

from collections.abc import Callable, Sequence
from pathlib import Path

from audiocodec.data import stores
from audiocodec.errors import ConfigError
from audiocodec.pipeline import batch, models, parts
from audiocodec.pipeline.corpus import Corpus, Shard, plan_corpus
from audiocodec.pipeline.encoding import load_encoder
from audiocodec.pipeline.notes import Notes, as_lines, plan_of
from audiocodec.pipeline.options import EncodeOptions
from audiocodec.pipeline.paths import Plan
from audiocodec.pipeline.progress import Progress, Summary
from audiocodec.pipeline.shard_encoder import ShardEncoder, manifest_rows

Encode = Callable[[Sequence[Shard], Progress], None]


def encode_corpus(
    inputs: Sequence[str | Path],
    output: str | Path,
    model: models.ModelName,
    device: str,
    options: EncodeOptions,
) -> Summary:
    """Write every shard of a corpus; the bytes are those of any other engine.

    Raises:
        ConfigError: as `plan_corpus`; or the output has the shards of another run.
        PartialFailure: some recordings cannot be encoded; the manifest says which.
    """
    corpus = plan_corpus(inputs, output, options)
    with batch.stoppable():
        if options.engine == "ray":
            return _on_ray(corpus, model, device, options)
        return _here(corpus, [*map(str, inputs)], model, device, options)


def _here(
    corpus: Corpus,
    inputs: Sequence[str],
    model: models.ModelName,
    device: str,
    options: EncodeOptions,
) -> Summary:
    """One shard of the part after the other; those that exist may be left as they are."""
    whole, part = Plan([*corpus.items]), parts.part_of(options)
    chosen = parts.choose(inputs, [shard.items for shard in corpus.shards], part, options.report)
    shards = [corpus.shards[index] for index in chosen]
    left = [s for s in shards if not (options.skip_existing and stores.is_file(s.target))]
    total, todo = (sum(len(shard.items) for shard in some) for some in (shards, left))
    progress = Progress(total, total - todo, options.report)
    with parts.joining(options.manifest, whole, part) as manifest:
        encoder = ShardEncoder(model, device, options)
        for shard in left:
            encoder.encode(shard, progress)
        if manifest is not None:
            rows = [row for s in shards for row in manifest_rows(s, progress.outcomes)]
            stores.write_bytes(str(manifest), as_lines(rows))
    return progress.finish()


def _on_ray(
    corpus: Corpus, model: models.ModelName, device: str, options: EncodeOptions
) -> Summary:
    if parts.part_of(options) is not None:
        raise ConfigError("a Ray cluster does all parts; leave out --part, or --engine ray")
    if not isinstance(model, str | Path | None):
        raise ConfigError("engine ray loads models where they run; give a name or a folder")
    from audiocodec.pipeline.ray_encode import encode_on_ray  # the packages of an extra

    transcoder = load_encoder(model, "cpu", options)
    notes = Notes(corpus.output)
    notes.begin(plan_of(corpus, options, transcoder.codec.name, transcoder.model_hash))
    if model is not None and Path(model).is_dir():
        model = Path(model).absolute()

    def encode(shards: Sequence[Shard], progress: Progress) -> None:
        encode_on_ray(shards, progress, notes, model, device, options, transcoder.model_hash)

    return run_noted(corpus, corpus.shards, notes, encode, options)


def run_noted(
    corpus: Corpus,
    shards: Sequence[Shard],
    notes: Notes,
    encode: Encode,
    options: EncodeOptions,
) -> Summary:
    """Do those of `shards` that are not finished, and write the manifests.

    Args:
        encode: does shards, notes that they are finished, and tells the progress of each item.

    Raises:
        PartialFailure: some of the recordings failed, in this run or a former one of it.
    """
    finished = notes.finished(shards)
    former = [row["status"] for rows in finished.values() for row in rows]
    progress = Progress(
        sum(len(shard.items) for shard in shards), former.count("done"), options.report
    )
    progress.failed = len(former) - former.count("done")
    encode([shard for shard in shards if shard.index not in finished], progress)
    if options.manifest is not None:
        finished = notes.finished(shards)
        rows = [row for shard in shards for row in finished[shard.index]]
        stores.write_bytes(str(options.manifest), as_lines(rows))
    notes.merge(corpus)
    return progress.finish()
