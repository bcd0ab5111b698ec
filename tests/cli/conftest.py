"""Running a command in this process."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from audiocodec.cli.main import main


class Outcome(NamedTuple):
    exit_code: int
    out: str
    err: str


@pytest.fixture
def codec(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """`codec("encode", ...)` as on the command line."""

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        exit_code = main([str(argument) for argument in arguments])
        return Outcome(exit_code, *capfd.readouterr())

    return run
