"""What is special about the root: noise, sequential halving, banned moves, and the result."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from go_env.benson import fill_pass_alive
from go_env.jit import kernel
from go_env.layout import cell_of
from mcts.config import SearchConfig
from mcts.selection import exploration, mixed_value

LEAST_TRUSTED = 0.1  # of the most visits: what a move needs to be chosen by its bound
LEAST_VARIANCE = 0.05  # of results: a few visits prove little even if all were won


@functools.cache
def halving_schedule(considered: int, simulations: int) -> tuple[int, ...]:
    """Return, for each simulation, how many visits its root action has had before.

    Sequential halving (Karnin et al. 2013; Danihelka et al. 2022, section 3): the m best actions
    share the budget in ceil(log2 m) phases, the better half goes on; leftover simulations go on
    with the last two.
    """
    if considered <= 1:
        return tuple(range(simulations))
    phases = int(np.ceil(np.log2(considered)))
    visits, width = [0] * considered, considered
    schedule: list[int] = []
    while len(schedule) < simulations:
        for _ in range(max(1, simulations // (phases * width))):
            schedule.extend(visits[:width])
            visits[:width] = [n + 1 for n in visits[:width]]
        width = max(2, width // 2)
    return tuple(schedule[:simulations])


@functools.lru_cache(maxsize=64)
def schedule_table(considered: int, budgets: tuple[int, ...]) -> NDArray[np.int32]:
    """Return [len(budgets), considered + 1, max(budgets)]: schedules by budget and action count."""
    table = np.zeros((len(budgets), considered + 1, max(*budgets, 1)), np.int32)
    for row, simulations in enumerate(budgets):
        for count in range(1, considered + 1):
            table[row, count, :simulations] = halving_schedule(count, simulations)
    return table


def draw_noise(
    config: SearchConfig, rng: np.random.Generator, legal_counts: NDArray[np.int64], actions: int
) -> NDArray[np.float32] | None:
    """Return the root noise of G games, float32 [G, A]: Gumbel, or gamma (unscaled Dirichlet).

    None where the configuration asks for no noise.
    """
    shape = (len(legal_counts), actions)
    if config.root == "gumbel":
        if config.gumbel_scale == 0:
            return None
        return (config.gumbel_scale * rng.gumbel(size=shape)).astype(np.float32)
    if config.dirichlet_fraction == 0:
        return None
    alpha = config.dirichlet_alpha or 10.83 / np.maximum(legal_counts, 1)
    return rng.gamma(np.broadcast_to(np.reshape(alpha, (-1, 1)), shape)).astype(np.float32)


@kernel
def ban_settled(roots, banned, alive):
    """Ban root moves inside unconditional territory; alive: int8 [1, N*N] scratch.

    Such a move gains nothing under area scoring, except to capture dead stones in the own
    territory: while there are any, the own territory is left open. In the last 2N moves before a
    move limit, which may come before such stones are taken off, nothing is banned.
    """
    for g in range(len(roots)):
        b = roots[g]
        side, own = np.int64(b.side), b.to_play
        near_limit = np.int64(b.move_limit) - b.ply <= 2 * side
        fill_pass_alive(b, alive, 0)
        open_own = False
        for point in range(side * side):
            if alive[0, point] == own and b.color[cell_of(point, side)] == 3 - own:
                open_own = True
        for point in range(side * side):
            settled = alive[0, point] == 3 - own or (alive[0, point] == own and not open_own)
            banned[g, point] = 1 if settled and not near_limit else 0


@kernel
def prepare_roots(
    nodes, edges, priors, actions, states, banned, noise, has_noise, bias, counts, considered
):
    """Set up Gumbel selection at all roots: bias [G, A] = noise + log prior, -inf where banned."""
    for g in range(len(states)):
        if states[g].target == 0:
            continue
        first, count = nodes[g, 0].first, nodes[g, 0].num_edges
        for action in range(bias.shape[1]):
            bias[g, action] = -np.inf
            counts[g, action] = 0
        allowed = 0
        for e in range(first, first + count):
            action = actions[g, e]
            if not banned[g, action]:
                allowed += 1
                bias[g, action] = np.log(max(priors[g, e], 1e-30))
                if has_noise:
                    bias[g, action] += noise[g, action]
        states[g].done = 0
        states[g].considered = min(allowed, considered)


@kernel
def mix_dirichlet(nodes, priors, actions, states, banned, noise, fraction, clean):
    """Mix Dirichlet noise into the priors of all roots (Silver et al. 2017).

    What the priors were goes to clean [G, A], in the order of the edges.
    """
    for g in range(len(states)):
        if states[g].target == 0:
            continue
        first, count = nodes[g, 0].first, nodes[g, 0].num_edges
        total = 0.0
        for e in range(first, first + count):
            clean[g, e - first] = priors[g, e]
            if not banned[g, actions[g, e]]:
                total += noise[g, actions[g, e]]
        if not total > 0.0:
            continue
        for e in range(first, first + count):
            action = actions[g, e]
            share = 0.0 if banned[g, action] else noise[g, action] / total
            priors[g, e] = (1.0 - fraction) * priors[g, e] + fraction * share


@kernel
def take_noise_off(nodes, priors, states, clean):
    """Give all roots the priors back that they had before `mix_dirichlet`."""
    for g in range(len(states)):
        if states[g].target == 0:
            continue
        first = nodes[g, 0].first
        for i in range(nodes[g, 0].num_edges):
            priors[g, first + i] = clean[g, i]


@kernel
def conclude_gumbel(
    nodes, edges, priors, actions, states, banned, bias, counts, params, policy, action, value
):
    """Write the improved policy [G, A], the chosen action [G] and the value [G] of all roots.

    Policy: softmax(log prior + sigma(completed Q)); action: the best of the most visited; value:
    completed Q averaged over that policy. Source: Danihelka et al. 2022, sections 3 and 4. With
    `choice_noise` below 1 the noise, which chose what was searched, has less of a say in the
    action (not in the paper, where the whole of it makes the action a sample of the policy).
    """
    for g in range(len(states)):
        if states[g].target == 0:
            continue
        first, count = nodes[g, 0].first, nodes[g, 0].num_edges
        mix = mixed_value(nodes, edges, priors, g, 0)
        most_total = most = 0
        for e in range(first, first + count):
            most_total = max(most_total, edges[g, e].visits)
            most = max(most, counts[g, actions[g, e]])
        sigma = 0.5 * (params[0].c_visit + most_total) * params[0].c_scale
        best_score, top = -np.inf, -np.inf
        for e in range(first, first + count):
            a, n = actions[g, e], edges[g, e].visits
            if banned[g, a]:
                continue
            gain = sigma * (edges[g, e].total / n if n > 0 else mix)
            logit = np.log(max(priors[g, e], 1e-30))
            top = max(top, logit + gain)
            score = logit + params[0].choice_noise * (bias[g, a] - logit) + gain
            if counts[g, a] == most and score > best_score:
                best_score = score
                action[g] = a
        norm = mean = 0.0
        for e in range(first, first + count):
            a, n = actions[g, e], edges[g, e].visits
            if banned[g, a]:
                continue
            q = edges[g, e].total / n if n > 0 else mix
            weight = np.exp(np.log(max(priors[g, e], 1e-30)) + sigma * q - top)
            policy[g, a] = weight
            norm += weight
            mean += weight * q
        value[g] = mean / norm
        for a in range(policy.shape[1]):
            policy[g, a] /= norm


@kernel
def safest_edge(nodes, edges, actions, g, banned, most_visited, deviations):
    """Return the root edge with the largest value less so many standard errors of results."""
    first, count = nodes[g, 0].first, nodes[g, 0].num_edges
    least = max(LEAST_TRUSTED * edges[g, most_visited].visits, 1.0)
    best, best_bound = most_visited, -np.inf
    for e in range(first, first + count):
        n = np.float64(edges[g, e].visits)
        if banned[g, actions[g, e]] or n < least:
            continue
        q = edges[g, e].total / n
        bound = q - deviations * np.sqrt(max(1.0 - q * q, LEAST_VARIANCE) / n)
        if bound > best_bound:
            best, best_bound = e, bound
    return best


@kernel
def conclude_puct(nodes, edges, priors, actions, states, banned, params, policy, action, value):
    """Write the visit shares [G, A], the most visited action [G] and the mean value [G].

    Ties go to the higher value. Visits that a banned action got below an earlier root do not count.
    With forced playouts the target is pruned: visits that PUCT would not have made, given the best
    action's final score, are taken off again (Wu 2019, section 3.2).
    With `lcb` the action is the one with the largest lower confidence bound of its value instead
    (Leela Zero 0.17, KataGo; the deviation is that of results of +-1, not that of the values seen).
    """
    for g in range(len(states)):
        if states[g].target == 0:
            continue
        first, count = nodes[g, 0].first, nodes[g, 0].num_edges
        visits = np.float64(nodes[g, 0].visits)
        best, most, best_total = first, -1, np.float32(0.0)
        for e in range(first, first + count):
            n, total = edges[g, e].visits, edges[g, e].total
            if banned[g, actions[g, e]]:
                continue
            if n > most or (n == most and total > best_total):
                best, most, best_total = e, n, total
        scale = exploration(nodes, g, 0, params)
        n = np.float64(edges[g, best].visits)
        bar = edges[g, best].total / max(n, 1.0) + scale * priors[g, best] / (1.0 + n)
        kept_total = 0.0
        for e in range(first, first + count):
            n, prior = np.float64(edges[g, e].visits), priors[g, e]
            if banned[g, actions[g, e]]:
                continue
            kept = n
            if params[0].forced_playouts > 0.0 and e != best and n > 0.0:
                forced = np.sqrt(params[0].forced_playouts * prior * (visits - 1.0))
                gap = bar - edges[g, e].total / n
                needed = scale * prior / gap - 1.0 if gap > 0.0 else n
                kept = max(min(n, needed), n - forced)
                if kept <= 1.0:
                    kept = 0.0
            policy[g, actions[g, e]] = kept
            kept_total += kept
        for a in range(policy.shape[1]):
            policy[g, a] /= max(kept_total, 1.0)
        if params[0].lcb > 0.0:
            best = safest_edge(nodes, edges, actions, g, banned, best, params[0].lcb)
        action[g] = actions[g, best]
        value[g] = nodes[g, 0].total / visits


@kernel
def read_roots(nodes, edges, priors, actions, states, prior, visits, totals, raw_value):
    """Copy priors, visits and value sums [G, A] and network values [G] of all roots."""
    for g in range(len(states)):
        if states[g].num_nodes == 0 or states[g].target == 0:
            continue
        raw_value[g] = nodes[g, 0].value
        for e in range(nodes[g, 0].first, nodes[g, 0].first + nodes[g, 0].num_edges):
            prior[g, actions[g, e]] = priors[g, e]
            visits[g, actions[g, e]] = edges[g, e].visits
            totals[g, actions[g, e]] = edges[g, e].total
