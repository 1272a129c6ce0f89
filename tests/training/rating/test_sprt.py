"""The sequential test against fishtest's own figures, simulated error rates and lengths."""

import json

import numpy as np
import pytest

from go_env.errors import HonteError
from training.rating.sprt import (
    Sprt,
    SprtBounds,
    elo_from_score,
    expected_trials,
    log_likelihood_ratio,
    score_from_elo,
)


def pair_law(elo: float, draw_rate: float, opening_elo: float) -> np.ndarray:
    """Law of a pair's half points with exactly the mean of `elo`.

    Half of the openings favor Black by `opening_elo`, the others White, so that the two games of a
    pair are not independent.
    """

    def law(strength):
        total = np.zeros(5)
        for favor in (-opening_elo, opening_elo):
            games = []
            for p in (score_from_elo(strength + favor), score_from_elo(strength - favor)):
                draw = draw_rate * 4 * p * (1 - p)
                games.append(np.array([1 - p - draw / 2, draw, p - draw / 2]))
            total += np.convolve(*games) / 2
        return total

    low, high = elo - 300.0, elo + 300.0
    for _ in range(50):
        middle = (low + high) / 2
        below = law(middle) @ np.linspace(0, 1, 5) < score_from_elo(elo)
        low, high = (middle, high) if below else (low, middle)
    return law(low)


def simulate(bounds: SprtBounds, law: np.ndarray, tests: int, cap: int, seed: int):
    """Return the shares of accepted and rejected tests and their mean length."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((tests, len(law)))
    running = np.arange(tests)
    lengths = np.full(tests, cap)
    accepted = rejected = 0
    for trial in range(1, cap + 1):
        counts[running, rng.choice(len(law), size=len(running), p=law)] += 1
        ratio = log_likelihood_ratio(counts[running], bounds)
        up, down = ratio >= bounds.upper, ratio <= bounds.lower
        accepted, rejected = accepted + up.sum(), rejected + down.sum()
        lengths[running[up | down]] = trial
        running = running[~(up | down)]
    return accepted / tests, rejected / tests, lengths.mean()


@pytest.mark.parametrize(("elo0", "elo1"), [(-14.0, 50.0), (0.0, 70.0), (0.0, 200.0)])
@pytest.mark.parametrize(("draw_rate", "opening_elo"), [(0.0, 0.0), (0.3, 0.0), (0.0, 200.0)])
def test_error_rates_stay_below_nominal(elo0, elo1, draw_rate, opening_elo):
    bounds = SprtBounds(elo0, elo1)
    tests = 1200
    sampling = 2 * np.sqrt(0.05 * 0.95 / tests)
    at0, at1 = (pair_law(elo, draw_rate, opening_elo) for elo in (elo0, elo1))
    wrongly_accepted, rejected, length0 = simulate(bounds, at0, tests, 1000, seed=1)
    accepted, wrongly_rejected, length1 = simulate(bounds, at1, tests, 1000, seed=2)
    assert wrongly_accepted <= 0.05 + sampling
    assert wrongly_rejected <= 0.05 + sampling
    assert rejected > 0.9  # nearly every test ends before the cap
    assert accepted > 0.9
    for law, elo, length in ((at0, elo0, length0), (at1, elo1, length1)):
        values = np.linspace(0, 1, 5)
        variance = law @ (values - law @ values) ** 2
        wald = expected_trials(bounds, elo, variance)
        assert length > wald * 0.9
        assert length < (wald * 1.25 + 4 if elo1 - elo0 < 100 else 20)  # Wald's is for small steps


def test_an_equal_player_is_undecided_for_longest():
    bounds = SprtBounds(-35.0, 35.0)
    lengths = [expected_trials(bounds, elo, 0.125) for elo in (-70, -35, 0, 35, 70)]
    assert lengths == pytest.approx(lengths[::-1])
    assert max(lengths) == lengths[2]
    # Wald, no drift: a^2 / sigma^2 with a = ln 19, sigma = (s1 - s0) / sqrt(variance)
    gap = score_from_elo(35.0) - score_from_elo(-35.0)
    assert lengths[2] == pytest.approx(np.log(19.0) ** 2 * 0.125 / gap**2)


@pytest.mark.parametrize(
    ("counts", "bounds", "theirs"),
    [
        # computed by official-stockfish/fishtest LLRcalc.LLR_logistic / LLR_normalized_alt
        ((10789, 19328, 33806, 19402, 10543), SprtBounds(-3, 1), 2.1310678),
        ((10789, 19328, 33806, 19402, 10543), SprtBounds(-3, 1, model="normalized"), 0.3009051),
        ((39, 2226, 31451, 2412, 40), SprtBounds(0.2, 0.9), 2.1625426),
        ((65804, 56553, 65388), SprtBounds(-3, 1), 2.0490426),
        ((40, 60, 150, 90, 55), SprtBounds(0, 35), 3.0406436),
    ],
)
def test_long_tests_agree_with_fishtest(counts, bounds, theirs):
    assert Sprt(bounds, counts).llr == pytest.approx(theirs, rel=5e-3)


def test_single_games_are_a_trinomial_test():
    test = Sprt(SprtBounds(0, 100), (0, 0, 0))
    for score in (1.0, 1.0, 0.5, 0.0):
        test = test.add(score)
    assert test.counts == (1, 1, 2)
    wrong, _, _ = simulate(SprtBounds(0, 100), np.array([0.35, 0.3, 0.35]), 1000, 400, seed=4)
    assert wrong <= 0.065


def test_state_survives_json_and_reaches_its_verdict():
    test = Sprt(SprtBounds(0.0, 70.0))
    assert test.verdict == "continue"
    while test.verdict == "continue":
        test = Sprt.from_json(json.loads(json.dumps(test.add(2.0).to_json())))
    assert test.verdict == "accept"
    assert test.counts == (0, 0, 0, 0, test.trials)
    worse = Sprt(SprtBounds(0.0, 70.0))
    for _ in range(test.trials):
        worse = worse.add(0.5)
    assert worse.verdict == "reject"
    elo, low, high = worse.elo()
    assert low < elo < high < 0
    elo, low, high = Sprt(SprtBounds(), (0, 0, 0, 0, 500)).elo()
    assert low <= elo <= high


def test_elo_and_score_are_inverse():
    assert score_from_elo(0.0) == 0.5
    assert elo_from_score(score_from_elo(123.0)) == pytest.approx(123.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SprtBounds(10, 10),
        lambda: SprtBounds(0, 10, alpha=0.6),
        lambda: SprtBounds(0, 10, model="bayes"),
        lambda: Sprt(SprtBounds(), (0, 0)),
        lambda: Sprt(SprtBounds()).add(0.3),
        lambda: Sprt(SprtBounds()).add(2.5),
    ],
)
def test_nonsense_is_refused(make):
    with pytest.raises(HonteError):
        make()
