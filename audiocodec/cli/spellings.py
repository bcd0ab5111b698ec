"""Commands and options as they were called in version 0.1: scripts that use them keep working."""

from collections.abc import Sequence

# The words that a former command is now, and its options that have another name or value.
_COMMANDS: dict[str, tuple[str, ...]] = {
    "stream-encode": ("stream", "encode"),
    "stream-decode": ("stream", "decode"),
    "prepare-data": ("data", "prepare"),
    "validate-data": ("data", "validate"),
    "models": ("model", "list"),
    "export": ("model", "export"),
    "import-simvq": ("model", "import"),
    "usage": ("model", "usage"),
    "fit-entropy": ("model", "fit-entropy"),
    "plot": ("report",),
    "pack": ("convert", "--format", "codec"),
    "unpack": ("convert", "--format", "npy"),
    "shard": ("convert", "--format", "parquet"),
}
_OPTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "encode": {"--utterances": ("--shard-size",)},
    "evaluate": {"--data": ("--reference",)},
    "shard": {"--utterances": ("--shard-size",)},
    "stream-encode": {"--format": ("--sample-format",)},
    "stream-decode": {"--format": ("--sample-format",)},
    "train": {"--cpu": ("--device", "cpu"), "--workers": ("--jobs",)},
}


def current(arguments: Sequence[str]) -> list[str]:
    """`arguments` of the command line, with former spellings replaced by today's."""
    if not arguments:
        return []
    command, *rest = arguments
    options = _OPTIONS.get(command, {})
    words = list(_COMMANDS.get(command, (command,)))
    for argument in rest:
        name, equals, value = argument.partition("=")
        spelling = options.get(name, (name,))
        words += [*spelling[:-1], spelling[-1] + equals + value]
    return words
