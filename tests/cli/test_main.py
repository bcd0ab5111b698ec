"""The command line as a whole: groups, help with examples, completion, one output argument."""

import subprocess

import pytest

from audiocodec.cli.main import COMMANDS, GROUPS, build_parser, main


def help_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        main([*words, "--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


def test_help_lists_every_command_once_in_sections(capsys):
    text = help_of([], capsys)
    for name, summary in COMMANDS.items():
        assert text.count(f"\n  {name} ") == text.count(summary) == 1
    assert "Examples\n" in text


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_lists_its_commands(group, capsys):
    text = help_of([group], capsys)
    own = [name for name in COMMANDS if name.startswith(f"{group} ")]
    assert len(own) > 1 and all(name in text for name in own)
    with pytest.raises(SystemExit) as caught:
        main([group])
    assert caught.value.code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_examples_that_its_parser_takes(command, capsys):
    words = command.split()
    examples = help_of(words, capsys).partition("examples:\n")[2].splitlines()
    assert examples
    for line in examples:
        part = line.partition("codec ")[2].partition(")")[0].partition(" | ")[0].partition(" <")[0]
        arguments = part.partition(" >")[0].partition("    #")[0].replace('"', "").split()
        if arguments and "..." not in arguments:
            args = build_parser(command).parse_args(arguments)
            assert args.command == words[0]


def test_an_unknown_command_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["streamencode"])
    assert caught.value.code == 2 and "invalid choice" in capsys.readouterr().err


def test_the_output_is_the_last_path_or_an_option(capsys):
    assert main(["encode", "only.wav"]) == 2
    assert "--output" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_commands_and_options(shell, capsys, tmp_path):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "fit-entropy" in script and "--num-quantizers" in script
    if shell == "bash":
        path = tmp_path / "completion.bash"
        path.write_text(script, encoding="utf-8")
        code = f"source {path}; COMP_WORDS=(codec model us); COMP_CWORD=2; "
        code += "_shtab_codec; echo ${COMPREPLY[@]}"
        output = subprocess.check_output(["bash", "-c", code], text=True)
        assert output.split() == ["usage"]
