"""Ratings against closed forms, another library, a published ladder and simulated truth."""

import csv
from pathlib import Path

import choix
import numpy as np
import pytest

from go_env.errors import HonteError
from training.rating.bradley_terry import Results
from training.rating.elo import ELO_PER_NAT, bootstrap, rate, ratings_json
from training.rating.residuals import residual_test

LADDER = Path(__file__).parents[2] / "data" / "ladder_9x9.csv"

# Elo (random = 0) and standard error, fitted from the same 635 games by an independent program.
PUBLISHED = {
    "pachi6400": (2334, 190), "pachi1600": (2061, 174), "pachi500": (1989, 169),
    "gnugo10": (1714, 167), "gnugo0": (1666, 158), "gnugo5": (1640, 162), "mix10": (1419, 146),
    "mix25": (1109, 127), "replay": (772, 103), "mix50": (707, 103), "pattern": (705, 210),
    "mix75": (482, 89), "mix90": (119, 59), "random": (0, 0),
}  # fmt: skip


def ladder() -> Results:
    with LADDER.open() as file:
        rows = list(csv.reader(line for line in file if not line.startswith("#")))[1:]
    return Results.of_table((b, w, float(x), float(y), float(z)) for b, w, x, y, z in rows)


def test_two_players_have_the_log_odds_of_their_score():
    fit = rate(Results.of_table([("a", "b", 30, 0, 10)]), prior=0, first_move=False, anchor="b")
    gap, error = fit.difference("a", "b")
    # r = ln(W/L), se = sqrt(1/W + 1/L)
    assert gap == pytest.approx(ELO_PER_NAT * np.log(3), abs=1e-6)
    assert error == pytest.approx(ELO_PER_NAT * np.sqrt(1 / 30 + 1 / 10), rel=1e-6)
    assert fit.interval("a")[0] == pytest.approx(gap - 1.959964 * error, abs=1e-3)
    assert fit.expected("a", "b") == pytest.approx(0.75)


def test_first_move_advantage_is_the_mean_of_both_log_odds():
    table = [("a", "b", 30, 0, 10), ("b", "a", 24, 0, 16)]
    fit = rate(Results.of_table(table), prior=0)
    as_black, as_white = np.log(30 / 10), np.log(24 / 16)
    assert fit.difference("a", "b")[0] == pytest.approx(
        ELO_PER_NAT * (as_black - as_white) / 2, abs=1e-6
    )
    assert fit.advantage == pytest.approx(ELO_PER_NAT * (as_black + as_white) / 2, abs=1e-6)
    variance = (1 / 30 + 1 / 10 + 1 / 24 + 1 / 16) / 4
    assert fit.advantage_se == pytest.approx(ELO_PER_NAT * np.sqrt(variance), rel=1e-6)


def test_a_draw_is_half_a_win_and_narrows_the_interval():
    drawn = rate(Results.of_table([("a", "b", 20, 20, 10)]), prior=0, first_move=False)
    decided = rate(Results.of_table([("a", "b", 30, 0, 20)]), prior=0, first_move=False)
    assert drawn.elo == pytest.approx(decided.elo, abs=1e-6)
    assert drawn.se[0] < decided.se[0]
    # p = 0.6: 4 n p (1-p) = 48 coin flips, one more by rule, 20 of them draws
    assert drawn.dispersion == pytest.approx(1 - 20 / 49)


def test_the_prior_is_a_virtual_draw_with_the_opponents_met():
    plain = rate(Results.of_table([("a", "b", 10, 1, 0)]), prior=0, first_move=False)
    prior = rate(Results.of_table([("a", "b", 10, 0, 0)]), prior=1, first_move=False)
    assert prior.elo == pytest.approx(plain.elo, abs=1e-6)


def test_the_prior_is_spread_by_games_played():
    # a-b 30 games, b-c 10: each player has one virtual draw, half of it counted at each end.
    # a-b: 30 (1/2/30 + 1/2/40) = 0.875 draws; b-c: 10 (1/2/10 + 1/2/40) = 0.625 draws
    fit = rate(Results.of_table([("a", "b", 20, 0, 10), ("b", "c", 10, 0, 0)]), first_move=False)
    upper = np.log((20 + 0.4375) / (10 + 0.4375))
    lower = np.log((10 + 0.3125) / 0.3125)
    assert fit.difference("a", "b")[0] == pytest.approx(ELO_PER_NAT * upper, abs=1e-6)
    assert fit.difference("b", "c")[0] == pytest.approx(ELO_PER_NAT * lower, abs=1e-6)


def test_agrees_with_choix_on_wins_and_losses():
    rng = np.random.default_rng(3)
    truth = rng.normal(0, 1, 8)
    games = []
    for i in range(8):
        for j in range(8):
            if i != j:
                p = 1 / (1 + np.exp(truth[j] - truth[i]))
                games += [(str(i), str(j), float(rng.random() < p)) for _ in range(15)]
    fit = rate(Results.of_games(games, [str(i) for i in range(8)]), prior=0, first_move=False)
    winners = [(int(b), int(w)) if s else (int(w), int(b)) for b, w, s in games]
    theirs = choix.opt_pairwise(8, winners, alpha=0.0, tol=1e-9)
    assert fit.elo / ELO_PER_NAT == pytest.approx(theirs - theirs.mean(), abs=1e-4)


def test_the_published_ladder_is_reproduced():
    fit = rate(ladder(), anchor="random")
    assert ladder().games.sum() == 635
    for player, (elo, se) in PUBLISHED.items():
        i = fit.index(player)
        assert fit.elo[i] == pytest.approx(elo, abs=5), player
        # ours are smaller by sqrt(dispersion), since 18 of the games were draws
        assert fit.se[i] == pytest.approx(se, rel=0.06), player
    assert fit.advantage == pytest.approx(-15, abs=2)
    gnugo = rate(ladder(), anchor="gnugo0")
    assert gnugo.elo[gnugo.index("gnugo10")] == pytest.approx(48, abs=2)
    assert gnugo.difference_se == pytest.approx(fit.difference_se, rel=1e-6)
    assert residual_test(fit, simulations=199).p_value > 0.05


@pytest.mark.parametrize("draw_rate", [0.0, 0.4])
def test_intervals_cover_the_truth(draw_rate):
    """1,000 tournaments of five players with a known truth: 93-97% of the intervals hold it."""
    rng = np.random.default_rng(11)
    truth = np.array([0.0, 60.0, 150.0, 260.0, 330.0])
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    logit = np.array([(truth[i] - truth[j] + 40.0) / ELO_PER_NAT for i, j in pairs])
    p = 1 / (1 + np.exp(-logit))
    draw = draw_rate * 4 * p * (1 - p)
    law = np.stack([p - draw / 2, draw, 1 - p - draw / 2], axis=1)
    counts = rng.multinomial(20, law, size=(1000, len(pairs)))
    names = "abcde"
    inside, gaps, moves = 0, 0, 0
    for tournament in counts:
        rows = [(names[i], names[j], *row) for (i, j), row in zip(pairs, tournament, strict=True)]
        fit = rate(Results.of_table(rows, names), anchor="a")
        inside += int(np.sum(np.abs(fit.elo[1:] - truth[1:]) < 1.96 * fit.se[1:]))
        gap, error = fit.difference("e", "d")
        gaps += abs(gap - 70.0) < 1.96 * error
        moves += abs(fit.advantage - 40.0) < 1.96 * fit.advantage_se
    assert 0.93 <= inside / 4000 <= 0.97
    assert 0.93 <= gaps / 1000 <= 0.97
    assert 0.93 <= moves / 1000 <= 0.97


def test_bootstrap_over_pairs_sees_that_paired_games_are_not_independent():
    # Every opening decides its game: whoever has Black wins, both games of a pair split 1-1.
    split = [[("a", "b", 1.0), ("b", "a", 1.0)] for _ in range(40)]
    swept = [[("a", "b", 1.0), ("b", "a", 0.0)] for _ in range(30)]
    lost = [[("a", "b", 0.0), ("b", "a", 1.0)] for _ in range(10)]
    _, certain = bootstrap(split, replicates=200)
    assert np.ptp(certain[:, 0]) == pytest.approx(0.0, abs=1e-3)
    players, spread = bootstrap(swept + lost, replicates=2000, anchor="b")
    # 30 of 40 pairs: log-odds of the pairs' share, games doubled: se = 1/sqrt(40 p (1-p))
    error = ELO_PER_NAT / np.sqrt(40 * 0.75 * 0.25)
    assert spread[:, players.index("a")].std() == pytest.approx(error, rel=0.15)


def test_residuals_name_the_rock_paper_scissors_pair():
    beats = [("rock", "scissors"), ("scissors", "paper"), ("paper", "rock")]
    cycle = [(winner, loser, 18, 0, 2) for winner, loser in beats]
    cycle += [(loser, winner, 2, 0, 18) for winner, loser in beats]
    test = residual_test(rate(Results.of_table(cycle)), simulations=199)
    assert test.p_value < 0.02
    assert test.degrees_of_freedom == 1
    assert abs(test.pairs[0].z) > 4
    chain = [("a", "b", 30, 0, 10), ("b", "c", 30, 0, 10), ("a", "c", 36, 0, 4)]
    assert residual_test(rate(Results.of_table(chain)), simulations=199).p_value > 0.2


def test_superiority_and_json():
    fit = rate(Results.of_table([("a", "b", 30, 4, 10), ("b", "a", 10, 4, 30)]), anchor="b")
    los = fit.superiority()
    assert los[0, 1] > 0.999
    assert los[0, 1] + los[1, 0] == pytest.approx(1.0)
    assert los[0, 0] == 0.5
    players = ratings_json(fit)["players"]
    assert [p["name"] for p in players] == ["a", "b"]
    assert players[1]["elo"] == 0.0
    assert players[1]["se"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("table", "options", "says"),
    [
        ([("a", "b", 5, 0, 0)], {"prior": 0}, "use prior > 0"),
        ([("a", "b", 5, 0, 5), ("c", "d", 5, 0, 5)], {}, "no chain of games"),
        ([("a", "a", 5, 0, 5)], {}, "against itself"),
        ([("a", "b", 5, 0, 5)], {"anchor": "z"}, "anchor 'z'"),
        ([], {}, "at least two players"),
    ],
)
def test_impossible_ratings_are_refused(table, options, says):
    with pytest.raises(HonteError, match=says):
        rate(Results.of_table(table), **options)
