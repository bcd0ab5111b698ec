"""Interleaving: both directions, closed forms of shapes and places, beginnings of sequences."""

import doctest
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import audiocodec.patterns
from audiocodec.errors import CodecError, ConfigError
from audiocodec.patterns import PATTERNS, CoarseFirst, Delayed, Flattened, Pattern, pattern_of


@st.composite
def patterns(draw: Callable, kinds: tuple[str, ...] = tuple(PATTERNS)) -> Pattern:
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    kind = draw(st.sampled_from(kinds))
    options: dict[str, object] = {"first": draw(st.sampled_from([0, 7]))}
    if kind == "coarse_first" and draw(st.booleans()):
        cut = draw(st.integers(1, len(sizes)))
        options["groups"] = [part for part in (cut, len(sizes) - cut) if part]
    if kind == "delayed":
        options["delay"] = draw(st.sampled_from([1, 1, 2]))
    return pattern_of(kind, sizes, **options)


@st.composite
def with_codes(draw: Callable, *args: object) -> tuple[Pattern, np.ndarray]:
    pattern = draw(patterns(*args))
    return pattern, random_codes(pattern, draw(st.integers(0, 6)), draw(st.integers(0, 99)))


def random_codes(pattern: Pattern, frames: int, seed: int) -> np.ndarray:
    high = np.array(pattern.codebook_sizes)[:, None]
    shape = (pattern.num_quantizers, frames)
    return np.random.default_rng(seed).integers(0, high, shape)


FLAGS = st.booleans()
FEW = settings(max_examples=50)


@FEW
@given(with_codes(), FLAGS, FLAGS)
def test_the_inverse_gives_the_codes_back(drawn, bos, eos):
    pattern, codes = drawn
    tokens = pattern.apply(codes, bos, eos)
    assert tokens.dtype == np.int64 and np.array_equal(pattern.invert(tokens), codes)
    padded = np.pad(tokens, [(0, 0)] * (tokens.ndim - 1) + [(0, 3)], constant_values=pattern.pad)
    assert np.array_equal(pattern.invert(padded), codes)
    assert np.array_equal(pattern.whole_frames(tokens), codes)


@FEW
@given(with_codes(), FLAGS, FLAGS)
def test_a_sequence_has_the_length_of_the_closed_form(drawn, bos, eos):
    pattern, codes = drawn
    stages, frames = codes.shape
    late = (stages - 1) * pattern.delay if not pattern.flat and (frames or eos) else 0
    length = (stages * frames if pattern.flat else frames + late) + bos + eos
    tokens = pattern.apply(codes, bos, eos)
    assert tokens.shape == ((length,) if pattern.flat else (stages, length))
    assert pattern.length(frames, bos, eos) == length
    assert ((tokens >= pattern.first) & (tokens < pattern.vocabulary_size)).all()
    total = (sum if pattern.flat else max)(pattern.codebook_sizes)
    assert pattern.vocabulary_size == pattern.first + total + 3
    rows = 1 if pattern.flat else stages
    assert (tokens == pattern.bos).sum() == bos * rows
    assert (tokens == pattern.eos).sum() == eos * rows
    assert (tokens < pattern.pad).sum() == codes.size


@FEW
@given(st.integers(1, 5), st.integers(1, 6))
def test_every_code_is_where_the_paper_puts_it(stages, frames):
    def places(pattern: Pattern) -> dict[tuple[int, int], int]:
        """Step of (stage, frame)."""
        table = pattern.positions(frames)
        return {divmod(int(at), frames): step for *_, step, at in indexed(table) if at >= 0}

    def indexed(table: np.ndarray):
        return ((*index, table[index]) for index in np.ndindex(table.shape))

    sizes = [4] * stages
    pairs = [(stage, frame) for stage in range(stages) for frame in range(frames)]
    expected: dict[str, Callable[[int, int], int]] = {
        "flattened": lambda q, t: t * stages + q,
        "delayed": lambda q, t: t + q,
        "coarse_first": lambda q, t: q * frames + t,
        "parallel": lambda q, t: t,
    }
    for kind, place in expected.items():
        found = places(pattern_of(kind, sizes))
        assert found == {(q, t): place(q, t) for q, t in pairs}
        for q, t in pairs:  # nothing comes before what it is predicted from
            if q and kind != "parallel":
                assert found[q - 1, t] < found[q, t]
            if t:
                assert found[q, t - 1] < found[q, t]


@FEW
@given(with_codes(), FLAGS, FLAGS, st.data())
def test_a_beginning_has_the_frames_that_are_whole(drawn, bos, eos, data):
    pattern, codes = drawn
    stages, frames = codes.shape
    tokens = pattern.apply(codes, bos, eos)
    cut = data.draw(st.integers(0, tokens.shape[-1]))
    body = max(0, cut - bos)
    whole = {
        "Flattened": body // stages,
        "Parallel": body,
        "Delayed": max(0, body - (stages - 1) * getattr(pattern, "delay", 0)),
    }.get(type(pattern).__name__)
    if whole is None:  # coarse first: all but the last stage of the last group come before
        first, behind = pattern.bounds[-1]
        whole = max(0, body - first * frames) // (behind - first)
    whole = min(whole, frames)
    assert np.array_equal(pattern.whole_frames(tokens[..., :cut]), codes[:, :whole])
    coarse = pattern.whole_frames(tokens[..., :cut], num_quantizers=1)
    assert coarse.shape[1] >= whole and np.array_equal(coarse, codes[:1, : coarse.shape[1]])


@FEW
@given(with_codes(), st.integers(0, 99))
def test_nonsense_behind_whole_frames_leaves_them(drawn, seed):
    pattern, codes = drawn
    tokens = pattern.apply(codes)
    shape = (*tokens.shape[:-1], 4)
    nonsense = np.random.default_rng(seed).integers(-2, pattern.vocabulary_size + 2, shape)
    cut = tokens.shape[-1] // 2
    before = pattern.whole_frames(tokens[..., :cut])
    after = pattern.whole_frames(np.concatenate([tokens[..., :cut], nonsense], axis=-1))
    assert np.array_equal(after[:, : before.shape[1]], before)
    assert (after >= 0).all() and (after < np.array(pattern.codebook_sizes)[:, None]).all()


@FEW
@given(with_codes(), FLAGS)
def test_what_comes_next_is_always_allowed(drawn, bos):
    pattern, codes = drawn
    if not codes.shape[1]:
        return
    tokens = pattern.apply(codes, bos, eos=True)
    for cut in range(bos, tokens.shape[-1]):
        allowed = pattern.allowed(tokens[..., :cut])
        chosen = tokens[..., cut]
        assert np.take_along_axis(allowed, chosen[..., None], -1).all()
    pads = pattern.allowed(tokens)
    assert pads[..., pattern.pad].all() and pads.sum() == pads[..., 0].size


@FEW
@given(patterns(("flattened", "coarse_first", "delayed")), st.integers(0, 99))
def test_whoever_takes_only_what_is_allowed_writes_a_whole_sequence(pattern, seed):
    random = np.random.default_rng(seed)
    tokens = np.zeros((0,) if pattern.flat else (pattern.num_quantizers, 0), dtype=np.int64)
    for step in range(200):
        allowed = pattern.allowed(tokens)
        if step > 10:  # end it
            ends = allowed[..., pattern.eos]
            allowed[ends] = np.arange(pattern.vocabulary_size) == pattern.eos
        if allowed[..., pattern.pad].all() and step:
            break
        chosen = [random.choice(np.flatnonzero(row)) for row in np.atleast_2d(allowed)]
        column = np.array(chosen) if pattern.flat else np.array(chosen)[:, None]
        tokens = np.concatenate([tokens, column], axis=-1)
    codes = pattern.invert(tokens)
    assert codes.shape[1] and np.array_equal(pattern.apply(codes, eos=True), tokens)


@FEW
@given(with_codes(), FLAGS, st.integers(1, 4))
def test_a_prompt_is_how_every_longer_recording_begins(drawn, bos, more):
    pattern, codes = drawn
    longer = np.concatenate([codes, random_codes(pattern, more, 1)], axis=1)
    prompt = pattern.prefix(codes, bos)
    tokens = pattern.apply(longer, bos)
    assert np.array_equal(prompt, tokens[..., : prompt.shape[-1]])
    group = pattern.bounds[0][1] if pattern.flat else 1
    assert prompt.shape[-1] == group * codes.shape[1] + bos


@FEW
@given(with_codes(), st.integers(1, 3))
def test_a_batch_is_its_rows_and_tensors_are_arrays(drawn, rows):
    pattern, codes = drawn
    batch = np.stack([codes] * rows)[None]
    tokens = pattern.apply(batch, eos=True)
    assert np.array_equal(tokens[0, -1], pattern.apply(codes, eos=True))
    tensor = pattern.apply(torch.from_numpy(batch).to(torch.uint8), eos=True)
    assert tensor.dtype == torch.int64 and np.array_equal(tensor.numpy(), tokens)
    assert torch.equal(pattern.invert(tensor), torch.from_numpy(batch))
    assert isinstance(pattern.whole_frames(tensor[0, 0]), torch.Tensor)
    assert pattern.allowed(tensor[0, 0]).dtype == torch.bool
    assert np.array_equal(pattern.invert(tokens), batch)


def test_numbers_tell_the_stage_of_a_flat_token():
    codes = np.array([[0, 2], [1, 0], [4, 3]])
    assert Flattened([3, 2, 5], first=100).apply(codes).tolist() == [100, 104, 109, 102, 103, 108]
    groups = CoarseFirst([3, 2, 5], groups=[2, 1])
    assert groups.apply(codes).tolist() == [0, 4, 2, 3, 9, 8]


def test_the_documentation_draws_what_the_patterns_do():
    page = (Path(__file__).parents[2] / "docs" / "tokens.md").read_text(encoding="utf-8")
    for heading, kind in zip(
        ("Flattened", "Delayed", "Coarse first", "Parallel"), PATTERNS, strict=True
    ):
        section = page.split(f"### {heading}\n")[1].split("\n#")[0]
        rows = re.findall(r"^\| (?:tokens|stage .) \| (.*) \|$", section, re.MULTILINE)
        table = np.atleast_2d(pattern_of(kind, [1024] * 3).positions(4))
        drawn = [
            " | ".join("·" if at < 0 else f"{'abc'[at // 4]}{at % 4}" for at in row)
            for row in table.tolist()
        ]
        assert rows == drawn


def test_with_marks_each_row_of_a_delayed_sequence_ends_by_itself():
    tokens = Delayed([9, 9, 9]).apply([[1, 2], [3, 4], [5, 6]], bos=True, eos=True)
    assert tokens.tolist() == [
        [10, 1, 2, 11, 9, 9],
        [10, 9, 3, 4, 11, 9],
        [10, 9, 9, 5, 6, 11],
    ]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: pattern_of("zigzag", [4]), "unknown pattern 'zigzag'"),
        (lambda: Flattened([]), "at least one"),
        (lambda: CoarseFirst([4, 4], groups=[1]), "add up"),
        (lambda: Delayed([4], delay=-1), "0 or more"),
        (lambda: Flattened([4, 4]).apply([[1, 2]]), "shape"),
        (lambda: Flattened([4, 4]).apply([[1], [4]]), "stage 1 has codes outside"),
        (lambda: Flattened([4]).apply([[0.5]]), "integers"),
        (lambda: Flattened([4, 4]).invert([1, 5, 2]), "no whole sequence"),
        (lambda: Flattened([4, 4]).invert([1, 2]), "no whole sequence"),
        (lambda: Delayed([4, 4]).invert([[1, 2], [3, 1]]), "no whole sequence"),
        (lambda: Delayed([4, 4]).whole_frames([1, 2]), "shape"),
        (lambda: Flattened([4]).invert([[1, 2], [1, 4]]), "different numbers"),
        (lambda: Flattened([4, 4]).allowed([1, 9]), "cannot stand"),
    ],
)
def test_mistakes_are_one_clear_line(call, text):
    with pytest.raises((CodecError, ConfigError), match=text) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_the_examples_do_what_they_say():
    results = doctest.testmod(audiocodec.patterns)
    assert results.attempted > 5 and not results.failed
