"""Alarms ring when a run drifts, once, and only then."""

from dataclasses import replace

import numpy as np

from training.alarms import AlarmBell
from training.records import PASSES, GameRecord


def make_game(moves: list[int], score: float = 1.0, komi: float = 0.0, gap: float = 0.1):
    return GameRecord(
        size=5,
        komi=komi,
        moves=np.array(moves, np.int16),
        values=np.zeros(len(moves), np.float16),
        policy_plies=np.zeros(0, np.int16),
        policies=np.zeros((0, 26), np.float16),
        score=score,
        ownership=np.zeros(25, np.int8),
        ending=PASSES,
        opening=0,
        model=1,
        game_id=1,
        evaluations=1,
        surprise=0.0,
        raw_gap=gap,
    )


def varied_games(count: int, **changes) -> list[GameRecord]:
    rng = np.random.default_rng(5)
    return [
        make_game(
            [int(a) for a in rng.permutation(25)], score=float(rng.choice([-1, 1])), **changes
        )
        for _ in range(count)
    ]


def names(alarms) -> set[str]:
    return {alarm.name.split()[0] for alarm in alarms}


def test_healthy_games_are_silent():
    assert AlarmBell(5).hear_games(varied_games(200)) == []


def test_too_few_games_are_silent():
    assert AlarmBell(5).hear_games([make_game([1, 2, 3])] * 199) == []


def test_copies_and_early_passes_ring_once():
    bell = AlarmBell(5)
    games = [make_game([12, 25, 25], score=float(s)) for s in (1, -1) for _ in range(100)]
    assert names(bell.hear_games(games)) == {"duplicates", "early"}
    assert bell.hear_games(games[:5]) == []
    beside = AlarmBell(9)  # smaller boards beside the run's own may be solved
    assert names(beside.hear_games(games)) == {"early"}


def test_an_alarm_rings_again_after_it_was_over():
    bell = AlarmBell(5)
    lost = varied_games(200, gap=0.8)
    assert names(bell.hear_games(lost)) == {"gap"}
    assert bell.hear_games(varied_games(200)) == []
    assert names(bell.hear_games(lost)) == {"gap"}


def test_one_color_winning_at_even_komi_rings():
    games = [
        make_game(list(map(int, np.random.default_rng(i).permutation(25)))) for i in range(200)
    ]
    assert names(AlarmBell(5).hear_games(games)) == {"balance"}


def test_overfitting_and_collapse_ring():
    bell = AlarmBell(5)
    event = {"value_loss": 0.3, "fresh_value_loss": 0.9, "policy_entropy": 0.001}
    assert names(bell.hear_learner(event)) == {"entropy"}, "one event says little of overfitting"
    rung = [alarm for _ in range(30) for alarm in bell.hear_learner(event)]
    assert names(rung) == {"overfit"}
    assert len(rung) == 1
    calm = {"value_loss": 0.3, "fresh_value_loss": 0.4}
    assert [alarm for _ in range(30) for alarm in bell.hear_learner(calm)] == []


def test_wrong_verdicts_ring_above_one_in_twenty():
    right, wrong = make_game([1], score=2.0), make_game([1], score=-2.0)
    right, wrong = (replace(game, verdict=1) for game in (right, wrong))
    drawn = replace(right, score=0.0)
    assert AlarmBell(5).hear_games([right] * 95 + [wrong] * 5) == []
    assert names(AlarmBell(5).hear_games([right] * 94 + [wrong] * 5 + [drawn])) == {"verdicts"}
    assert AlarmBell(5).hear_games([wrong] * 99) == []
