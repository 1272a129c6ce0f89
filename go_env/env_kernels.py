"""Whole steps of reinforcement-learning environments, many games at once. Kernels only.

A game of an environment is spread over parallel arrays, one row per game, which travel as one tuple
`core = (boards, hashes, snapshots, legal, games, moves, states, owner, scratch)`:

    boards [B] records, hashes [B, L], snapshots [B, H, N*N]: see `go_env.board`;
    legal uint8 [B, A]: scratch for legality masks with their ko bans;
    games [B] of GAME: what the environment knows beyond the board;
    moves int16 [B, L]: the actions so far, so that Python can rebuild the whole game;
    states uint64 [B]: generators of random opponents and of colors;
    owner int8 [1, N*N], scratch int16 [3, cells]: for scoring and for features. No kernel here
    allocates, since one that does pays for counting references to all of these.
"""

from __future__ import annotations

import numpy as np

from go_env.board import classify, fill_area, fill_legal, is_over, play, record_position
from go_env.coords import BLACK, WHITE
from go_env.features import encode_lean_one, encode_zero_one
from go_env.jit import kernel
from go_env.layout import KO_BANNED, LEGAL, NO_ACTION, cell_of, clear
from go_env.playout import next_random, random_action

BOTH = 0  # the agent's color where it plays both sides
RANDOM_COLOR = 3

GAME = np.dtype(
    [
        ("reward", "f4"),  # of the last step, for the agent (self-play: for the last mover)
        ("score", "f4"),  # Black minus White minus komi; valid when over
        ("color", "i1"),  # the agent's: BLACK, WHITE or BOTH
        ("wanted_color", "i1"),  # what `color` becomes at a restart; RANDOM_COLOR draws
        ("winner", "i1"),  # BLACK, WHITE or 0 for a draw; valid when over
        ("over", "u1"),
        ("illegal", "u1"),  # the agent's last action was illegal and lost the game
    ]
)


@kernel
def _begin(core, i):
    """Begin game i anew on the empty board."""
    boards, hashes, snapshots, _, games, _, states, _, _ = core
    b, game = boards[i], games[i]
    clear(b)
    record_position(b, hashes, i, snapshots, i)
    game.color = game.wanted_color
    if game.wanted_color == RANDOM_COLOR:
        game.color = BLACK + (next_random(states, i) & 1)
    game.reward = 0.0
    game.score = 0.0
    game.winner = 0
    game.over = 0
    game.illegal = 0


@kernel
def _finish(game, winner, mover):
    """End a game; the reward is the agent's, or the mover's where it plays both sides."""
    game.over = 1
    game.winner = winner
    viewer = mover if game.color == BOTH else np.int64(game.color)
    if winner == 0:
        game.reward = 0.0
    else:
        game.reward = 1.0 if winner == viewer else -1.0


@kernel
def _play(core, i, action):
    """Play a legal action in game i and see whether that ends it."""
    boards, hashes, snapshots, _, games, moves, _, owner, _ = core
    b = boards[i]
    mover = np.int64(b.to_play)
    moves[i, b.ply] = action
    play(b, hashes, i, snapshots, i, action)
    if is_over(b):
        score = fill_area(b, owner, 0) - b.komi
        games[i].score = score
        _finish(games[i], BLACK if score > 0 else (WHITE if score < 0 else 0), mover)


@kernel
def _is_legal(b, hashes, row, action):
    """Tell whether the player to move may play this; any integer may be asked."""
    side = np.int64(b.side)
    if not 0 <= action < side * side:
        return action == side * side
    return classify(b, hashes, row, cell_of(action, side), np.int64(b.to_play)) == LEGAL


@kernel
def _act(core, i, action):
    """Play the agent's action in game i; an illegal one loses the game."""
    boards, hashes, _, _, games, _, _, owner, _ = core
    b = boards[i]
    if _is_legal(b, hashes, i, action):
        _play(core, i, action)
        return
    games[i].score = fill_area(b, owner, 0) - b.komi
    games[i].illegal = 1
    _finish(games[i], 3 - b.to_play, np.int64(b.to_play))


@kernel
def _reply_randomly(core, i):
    """Play for the opponent of game i if it is its turn: own eyes are kept, a pass comes last."""
    boards, hashes, _, _, games, _, states, _, _ = core
    b, game = boards[i], games[i]
    if game.over == 0 and game.color != BOTH and game.color != b.to_play:
        _play(core, i, random_action(b, hashes, i, states, i, True))


@kernel
def _observe(core, i, view, table, out, mask, row):
    """Write planes out[row] [C, N*N] and mask[row] [A] of game i as `view` sees them.

    view is a color, or BOTH for the player to move. In a game that is over the mask allows a pass
    only; a player who is not to move sees an empty mask.
    """
    boards, hashes, snapshots, legal, games, _, _, _, scratch = core
    b = boards[i]
    turn = b.to_play
    fill_legal(b, hashes, i, legal, i)
    for action in range(legal.shape[1]):
        mask[row, action] = legal[i, action] == LEGAL
    if games[i].over:
        for action in range(legal.shape[1] - 1):
            mask[row, action] = 0
    if view != BOTH and view != turn:
        b.to_play = view
        for action in range(legal.shape[1]):
            if games[i].over == 0:
                mask[row, action] = 0
            if legal[i, action] == KO_BANNED:  # to the other, not to who sees it
                legal[i, action] = LEGAL
    if snapshots.shape[1] > 0:
        encode_zero_one(b, snapshots, i, table, out, row)
    else:
        encode_lean_one(b, legal, i, table, scratch, out, row)
    b.to_play = turn


@kernel
def advance_all(core, actions, restart_over, random_opponent):
    """Play the agent's action in each game, and the random opponent's answer if there is one.

    A game that is over is begun anew where `restart_over` is set, and left alone otherwise.
    """
    games = core[4]
    for i in range(len(games)):
        games[i].reward = 0.0
        if games[i].over == 0:
            _act(core, i, actions[i])
        elif restart_over:
            _begin(core, i)
        if random_opponent:
            _reply_randomly(core, i)


@kernel
def restart_all(core, which, random_opponent):
    """Begin the games marked in which [B] anew; a random opponent that is Black opens them."""
    for i in range(len(which)):
        if which[i]:
            _begin(core, i)
            if random_opponent:
                _reply_randomly(core, i)


@kernel
def reply_all(core, actions):
    """Play the answers of opponents that live outside of the kernels; negative: none is due."""
    for i in range(len(actions)):
        if actions[i] != NO_ACTION:
            _play(core, i, actions[i])


@kernel
def observe_all(core, table, out, mask):
    """Write planes out [B, C, N*N] and masks mask [B, A] as each agent sees them."""
    games = core[4]
    for i in range(len(games)):
        _observe(core, i, np.int64(games[i].color), table, out, mask, i)


@kernel
def observe_one(core, i, view, table, out, mask):
    """Write planes out [1, C, N*N] and mask [1, A] of game i as a color sees them."""
    _observe(core, i, view, table, out, mask, 0)


@kernel
def step_all(core, actions, restart_over, table, out, mask):
    """`advance_all` against random opponents (or none) and `observe_all`, in one call."""
    advance_all(core, actions, restart_over, True)
    observe_all(core, table, out, mask)


@kernel
def describe(core, i):
    """Return (ply, color, over, illegal, winner, reward, score) of game i as plain numbers."""
    g = core[4][i]
    return core[0][i].ply, g.color, g.over != 0, g.illegal != 0, g.winner, g.reward, g.score


@kernel
def step_one(core, action, table, out, mask):
    """`step_all` for the first game alone; returns what `describe` says of it."""
    games = core[4]
    games[0].reward = 0.0
    _act(core, 0, action)
    _reply_randomly(core, 0)
    observe_one(core, 0, np.int64(games[0].color), table, out, mask)
    return describe(core, 0)
