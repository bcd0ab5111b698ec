"""What validation says, and what it takes for the best."""

import pytest
import torch

from audiocodec.errors import ConfigError
from audiocodec.training.validation import Score, quality, summarise

MEANS = {"mel": 0.5, "pesq": 2.32, "stoi": 0.9, "harmonic_correlation": 0.1, "tonal_lines": 6.0}


def test_the_best_sound_has_harmonics_and_no_lines():
    assert quality(MEANS, "sound") == pytest.approx(2.32 / 4.64 + 0.9 + 0.1 - 0.02 * 5)
    for name, better in (("pesq", 3.0), ("stoi", 0.95), ("harmonic_correlation", 0.2)):
        assert quality(MEANS | {name: better}, "sound") > quality(MEANS, "sound")
    assert quality(MEANS | {"tonal_lines": -3.0}, "sound") == quality(
        MEANS | {"tonal_lines": 1.0}, "sound"
    )


def test_a_buzz_of_more_pesq_is_the_best_quality_and_not_the_best_sound():
    buzz = MEANS | {"pesq": 2.6, "harmonic_correlation": 0.03, "tonal_lines": 13.0}
    assert quality(buzz, "quality") > quality(MEANS, "quality")
    assert quality(buzz, "sound") < quality(MEANS, "sound")


def test_the_mel_distance_decides_where_nothing_else_is_defined():
    assert quality({"mel": 0.5}, "sound") == quality({"mel": 0.5}, "pesq") == -0.5
    assert quality({}, "sound") is None


def test_means_are_over_the_utterances_that_have_the_score():
    values = ({"mel": 2.0}, {"mel": 1.0, "dnsmos": 3.0})
    scores = [
        Score(index, value, [torch.ones(4, dtype=torch.int64)])
        for index, value in enumerate(values)
    ]
    means = summarise(scores, (4,))
    assert means["mel"] == 1.5 and means["dnsmos"] == 3.0


def test_validation_measures_what_it_is_asked_for(make_trainer):
    trainer = make_trainer(validation_metrics=["gain", "harmonic_correlation"])
    values = trainer.validator.score(trainer.networks.codec, 0, 1)[0].values
    assert set(values) == {"mel", "gain", "harmonic_correlation"}
    with pytest.raises(ConfigError, match="unknown metric 'harmonics'"):
        make_trainer(validation_metrics=["harmonics"])


def test_a_run_goes_on_by_another_measure_of_the_best(make_trainer):
    make_trainer(best="quality", validate_every=4).run()
    longer = make_trainer(best="mel", validate_every=2, steps=14)
    longer.run()
    # Not held up by a number of PESQ and STOI.
    assert longer.state.best < 0 and longer.state.best_step > 12
