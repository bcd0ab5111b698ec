import json

import numpy as np
import pandas as pd
import pytest

from audiocodec.cli.main import main
from audiocodec.errors import DataError
from audiocodec.evaluation.comparison import compare, harness_differences
from audiocodec.evaluation.results import write_results


def table(values: list[float], name: str = "stoi") -> pd.DataFrame:
    ids = [f"u{index}" for index in range(len(values))]
    return pd.DataFrame({"speaker": ids, name: values}, index=ids)


def test_a_comparison_is_over_the_same_utterances():
    a, b = table([0.1, 0.2, 0.3, 0.4, np.nan]), table([0.2, 0.3, 0.4, 0.4])
    result = compare(a, b)["stoi"]
    assert (result.n, result.wins, result.ties, result.losses) == (4, 3, 1, 0)
    assert result.difference == pytest.approx(0.075)
    assert result.ci_low <= 0.075 <= result.ci_high
    same = compare(a, a)["stoi"]
    assert (same.difference, same.p_value, same.ties) == (0.0, 1.0, 4)


def test_fewer_errors_win():
    result = compare(table([3.0, 2.0], "lsd"), table([1.0, 2.5], "lsd"))["lsd"]
    assert (result.difference, result.wins, result.losses) == (-0.75, 1, 1)


def test_pairing_makes_small_differences_sure():
    """The second system is 0.1 better everywhere, far less than utterances differ."""
    hard = np.random.default_rng(0).uniform(1, 4, 40)
    b = hard + 0.1 + 0.01 * np.random.default_rng(1).standard_normal(40)
    result = compare(table(list(hard), "pesq_wb"), table(list(b), "pesq_wb"))["pesq_wb"]
    assert result.p_value < 0.001 and 0.09 < result.ci_low < result.ci_high < 0.11


def test_evaluations_without_a_common_utterance_are_refused():
    a = table([0.5])
    with pytest.raises(DataError, match="no scored utterance in common"):
        compare(a, a.rename(index={"u0": "other"}))


def test_a_difference_of_the_harness_is_named():
    a = {"resampler": "soxr 1.0.0 HQ", "versions": {"pesq": "0.0.4", "numpy": "2.0"}, "jobs": 1}
    b = {"resampler": "soxr 1.1.0 HQ", "versions": {"pesq": "0.0.5", "numpy": "2.0"}, "jobs": 2}
    assert harness_differences(a, b) == [
        "resampler: soxr 1.0.0 HQ and soxr 1.1.0 HQ",
        "versions pesq: 0.0.4 and 0.0.5",
    ]


def test_the_command_prints_a_table_and_warns_of_other_harnesses(tmp_path, capsys):
    for name, stoi, resampler in (("a", 0.8, "soxr 1"), ("b", 0.9, "soxr 2")):
        rows = [
            {"id": str(n), "speaker": "s", "reason": "", "flags": "", "stoi": stoi + n / 100}
            for n in range(4)
        ]
        (tmp_path / name).mkdir()
        write_results(tmp_path / name, rows, ["stoi"], {"resampler": resampler})
    sides = [str(tmp_path / name) for name in ("a", "b")]
    assert main(["compare", *sides]) == 0
    output = capsys.readouterr()
    assert "| stoi | 4 | 0.815 | 0.915 | +0.100 | +0.100 to +0.100 |" in output.out
    assert "| 4 / 0 / 0 |" in output.out
    assert "measured differently: resampler: soxr 1 and soxr 2" in output.err
    assert main(["compare", *sides, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[sides[1]]["stoi"]["wins"] == 4
    assert main(["compare", str(tmp_path), sides[0]]) == 1
    assert "no readable utterances.csv" in capsys.readouterr().err
