"""What users can do wrong: one family of errors, each with its exit code.

`cli/main.py` alone turns a `CodecError` into one line on stderr. Our own mistakes are asserts.
"""


def one_line(error: BaseException) -> str:
    """The text of a library's error, which may have several lines."""
    return " ".join(str(error).split())


class CodecError(Exception):
    """A mistake the user can mend; the message says what was found, where and what to do."""

    exit_code = 1


class ConfigError(CodecError, ValueError):
    """A configuration key, type or value that cannot be."""

    exit_code = 2


class AudioError(CodecError, ValueError):
    """Audio that is missing, unreadable, empty or not finite."""


class CodeFileError(CodecError, ValueError):
    """A code file that is damaged, hostile or written by another model."""


class DataError(CodecError, ValueError):
    """A data directory that contradicts itself or its audio."""


class ModelError(CodecError, ValueError):
    """A model folder that is missing, damaged or unknown."""


class MissingPackage(CodecError, ImportError):
    """A package that this use needs is not installed; the message names the extra."""

    exit_code = 2


class PartialFailure(CodecError):
    """Some items of a batch failed; the others are done. The reasons have been reported."""

    exit_code = 3
