"""`codec completion`: a script that lets a shell complete commands and options."""

import argparse

from audiocodec.cli.arguments import add_examples


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec completion`."""
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    add_examples(
        parser,
        'eval "$(codec completion bash)"    # in ~/.bashrc',
        "codec completion zsh > ~/.zfunc/_codec",
    )


def run(args: argparse.Namespace) -> None:
    """Print the script."""
    import shtab

    from audiocodec.cli.main import COMMANDS, build_parser

    print(shtab.complete(build_parser(*COMMANDS, listed=True), args.shell))
