"""Episodes and updates of tabular Q-learning. Kernels; their arrays: `small_boards`."""

from __future__ import annotations

import numpy as np

from go_env.jit import kernel
from go_env.playout import next_random

TRANSITION = np.dtype([("row", "i4"), ("action", "i2"), ("reward", "f4"), ("next_row", "i4")])


@kernel
def _draw_legal(following, row, states):
    """Return a uniformly random legal action."""
    count = 0
    for action in range(following.shape[1]):
        count += following[row, action] != -1
    pick = (next_random(states, 0) * count) >> 32
    for action in range(following.shape[1]):
        if following[row, action] != -1:
            if pick == 0:
                return action
            pick -= 1
    return following.shape[1] - 1


@kernel
def greedy(following, values, row, states):
    """Return a legal action of the greatest value; ties are broken at random."""
    best, ties = -1, 1
    for action in range(following.shape[1]):
        if following[row, action] == -1:
            continue
        if best < 0 or values[row, action] > values[row, best]:
            best, ties = action, 1
        elif values[row, action] == values[row, best]:
            ties += 1
            if (next_random(states, 0) * ties) >> 32 == 0:
                best = action
    return best


@kernel
def play_episodes(following, rewards, values, epsilon, states, episodes, out, results):
    """Play games epsilon-greedily with fixed values; returns the number of transitions written.

    values: float32 [S, A]; states: uint64 [1]; out: TRANSITION [>= all plies], next_row negative
    where the game ended; results: float32 [episodes], Black's outcomes.
    """
    bound = np.int64(epsilon * 4294967296.0)
    count = 0
    for episode in range(episodes):
        row, ply = np.int64(0), 0
        while row >= 0:
            if next_random(states, 0) < bound:
                action = _draw_legal(following, row, states)
            else:
                action = greedy(following, values, row, states)
            t = out[count]
            t.row, t.action = row, action
            t.reward, t.next_row = rewards[row, action], following[row, action]
            results[episode] = rewards[row, action] * (1.0 - 2.0 * (ply & 1))
            row = np.int64(following[row, action])
            count += 1
            ply += 1
    return count


@kernel
def learn(values, legal, transitions, rate, gamma):
    """Apply Q(s, a) += rate * (r - gamma * max Q(s', .) - Q(s, a)) to transitions, newest first.

    legal: bool [S, A]. Returns the mean absolute error before each update.
    """
    total = 0.0
    for i in range(len(transitions) - 1, -1, -1):
        t = transitions[i]
        target = np.float64(t.reward)
        if t.next_row >= 0:
            best = -np.inf
            for action in range(values.shape[1]):
                if legal[t.next_row, action] and values[t.next_row, action] > best:
                    best = np.float64(values[t.next_row, action])
            target -= gamma * best
        error = target - values[t.row, t.action]
        values[t.row, t.action] += rate * error
        total += abs(error)
    return total / max(len(transitions), 1)


@kernel(allocates=True)
def mark_lines(following, values, learner, tolerance, marked):
    """Mark uint8 [S] what can arise when `learner` (0 Black, 1 White, 2 both) plays its best moves.

    The other side plays anything. Moves within `tolerance` of the best count as best, so that ties
    are all followed. Rows are sorted by ply, and a side moves at every other ply.
    """
    plies = np.zeros(len(marked), np.uint8)
    marked[0] = 1
    for row in range(len(marked)):
        if marked[row] == 0:
            continue
        best = -np.inf
        for action in range(following.shape[1]):
            if following[row, action] != -1 and values[row, action] > best:
                best = np.float64(values[row, action])
        chooses = learner == 2 or plies[row] == learner
        for action in range(following.shape[1]):
            next_row = following[row, action]
            if next_row >= 0 and not (chooses and values[row, action] < best - tolerance):
                marked[next_row] = 1
                plies[next_row] = 1 - plies[row]
