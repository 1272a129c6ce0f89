"""Which edge to follow: PUCT and Gumbel selection, at the root and below it. Kernels only."""

from __future__ import annotations

import numpy as np

from go_env.jit import kernel

#: Lifts forced playouts above all others; among themselves the usual score decides.
FORCED = 1e6

SPREAD_PRIOR = 0.4  # standard deviation of values that c_puct is meant for; KataGo: 0.4
SPREAD_PRIOR_VISITS = 2.0  # what it counts for beside the values seen; KataGo: 2


@kernel(forceinline=True)
def with_score(value, lead, side, weight):
    """Return the value (-1 to 1) with a share of the score in it; lead: points, of the same player.

    The score is squashed to -1 .. 1: half of that is a lead of one point a line of the board.
    Source: Wu 2019, section 3.4 and KataGo's static and dynamic score utility (scales 2 and 0.75).
    """
    return (1.0 - weight) * value + weight * 2.0 / np.pi * np.arctan(lead / side)


@kernel
def mix_scores(values, leads, side, weight, mixed):
    """Write `with_score` of each position; values, leads, mixed: float32 [B]."""
    for i in range(len(values)):
        mixed[i] = with_score(values[i], leads[i], side, weight)


@kernel(forceinline=True)
def mixed_value(nodes, edges, priors, g, node):
    """Return v_mix, the value of unvisited edges (Danihelka et al. 2022, equation 33)."""
    first, count = nodes[g, node].first, nodes[g, node].num_edges
    visits = 0
    mass = weighted = 0.0
    for e in range(first, first + count):
        n = edges[g, e].visits
        if n > 0:
            visits += n
            mass += priors[g, e]
            weighted += priors[g, e] * edges[g, e].total / n
    if mass <= 0.0:
        return np.float64(nodes[g, node].value)
    return (nodes[g, node].value + visits * weighted / mass) / (1.0 + visits)


@kernel(forceinline=True)
def exploration(nodes, g, node, params):
    """Return what PUCT multiplies prior / (1 + visits) by: c_puct of this node times sqrt(visits).

    With `c_puct_spread` it grows where the values seen below the node differ, and falls where they
    agree (KataGo's cpuctUtilityStdevScale; its estimate of the spread grows with the mean, too).
    """
    visits = np.float64(nodes[g, node].visits)
    base = np.float64(params[0].c_puct_base)
    scale = params[0].c_puct + np.log((1.0 + visits + base) / base)
    if params[0].c_puct_spread > 0.0:
        mean = nodes[g, node].total / visits
        squares = max(nodes[g, node].squares - visits * mean * mean, 0.0)
        squares += SPREAD_PRIOR_VISITS * SPREAD_PRIOR * SPREAD_PRIOR
        spread = np.sqrt(squares / (SPREAD_PRIOR_VISITS + visits - 1.0))
        scale *= 1.0 + params[0].c_puct_spread * (spread / SPREAD_PRIOR - 1.0)
    return scale * np.sqrt(visits)


@kernel(forceinline=True)
def choose_puct(nodes, edges, priors, g, node, params):
    """Return the interior edge with the largest Q + U (Silver et al. 2017), in prefix order.

    An action whose prior is zero (forbidden: no softmax gives it) is tried if there is no other.
    """
    first, visited = nodes[g, node].first, nodes[g, node].num_visited
    visits = np.float64(nodes[g, node].visits)
    scale = exploration(nodes, g, node, params)
    mass = 0.0
    best, best_score = first, -np.inf
    for e in range(first, first + visited):
        n = np.float64(edges[g, e].visits)
        mass += priors[g, e]
        score = edges[g, e].total / n + scale * priors[g, e] / (1.0 + n)
        if score > best_score:
            best, best_score = e, score
    if visited == 0 or (visited < nodes[g, node].num_edges and priors[g, first + visited] > 0.0):
        fpu = nodes[g, node].total / visits - params[0].fpu_reduction * np.sqrt(mass)
        if fpu + scale * priors[g, first + visited] > best_score:
            best = first + visited
    return best


@kernel(forceinline=True)
def choose_gumbel(nodes, edges, priors, g, node, params):
    """Return the interior edge whose visits lag most behind the improved policy.

    Source: Danihelka et al. 2022, section 5; the softmax needs two exponentials per visited edge.
    """
    first, visited = nodes[g, node].first, nodes[g, node].num_visited
    if visited == 0:
        return first
    visits, most = 0, 0
    mass = weighted = 0.0
    top_q = -np.inf
    for e in range(first, first + visited):
        n = edges[g, e].visits
        q = edges[g, e].total / n
        visits += n
        most = max(most, n)
        top_q = max(top_q, q)
        mass += priors[g, e]
        weighted += priors[g, e] * q
    value = np.float64(nodes[g, node].value)
    mix = (value + visits * weighted / max(mass, 1e-30)) / (1.0 + visits)
    sigma = 0.5 * (params[0].c_visit + most) * params[0].c_scale
    top = max(sigma * (top_q - mix), 0.0)  # taken off all exponents: none is above 0
    unvisited = np.exp(-top)
    norm = max(1.0 - mass, 0.0) * unvisited
    for e in range(first, first + visited):
        gain = sigma * (edges[g, e].total / edges[g, e].visits - mix)
        norm += priors[g, e] * np.exp(gain - top)
    norm = max(norm, 1e-300)
    best, best_score = first, -np.inf
    for e in range(first, first + visited):
        gain = sigma * (edges[g, e].total / edges[g, e].visits - mix)
        share = priors[g, e] * np.exp(gain - top) / norm
        score = share - edges[g, e].visits / (1.0 + visits)
        if score > best_score:
            best, best_score = e, score
    rest = visited < nodes[g, node].num_edges
    if rest and priors[g, first + visited] * unvisited / norm > best_score:
        best = first + visited
    return best


@kernel
def choose_root_gumbel(nodes, edges, priors, actions, g, states, schedule, bias, counts, params):
    """Return the root edge that sequential halving visits next.

    Among the actions with as many visits in this search as the schedule asks for, the one with the
    largest noise + log prior + sigma(Q).
    """
    begun = states[g].done + states[g].waiting
    wanted = schedule[states[g].schedule, states[g].considered, begun]
    first, count = nodes[g, 0].first, nodes[g, 0].num_edges
    mix = mixed_value(nodes, edges, priors, g, 0)
    most = 0
    for e in range(first, first + count):
        most = max(most, edges[g, e].visits)
    sigma = 0.5 * (params[0].c_visit + most) * params[0].c_scale
    best, best_score = np.int64(first), -np.inf
    for e in range(first, first + count):
        action = actions[g, e]
        if counts[g, action] == wanted:
            n = edges[g, e].visits
            q = edges[g, e].total / n if n > 0 else mix
            score = bias[g, action] + sigma * q
            if score > best_score:
                best, best_score = np.int64(e), score
    return best


@kernel
def choose_root_puct(nodes, edges, priors, actions, g, banned, params):
    """Return the root edge with the largest Q + U; forced playouts come first (Wu 2019, 3.2).

    An action whose prior is zero (forbidden: no softmax gives it) is tried if there is no other.
    """
    first, count = nodes[g, 0].first, nodes[g, 0].num_edges
    visits = np.float64(nodes[g, 0].visits)
    scale = exploration(nodes, g, 0, params)
    mass = 0.0
    for e in range(first, first + count):
        if edges[g, e].visits > 0:
            mass += priors[g, e]
    fpu = nodes[g, 0].total / visits - params[0].root_fpu_reduction * np.sqrt(mass)
    best, best_score = np.int64(first), -np.inf
    for e in range(first, first + count):
        if banned[g, actions[g, e]]:
            continue
        n, prior = edges[g, e].visits, priors[g, e]
        score = (edges[g, e].total / n if n > 0 else fpu) + scale * prior / (1.0 + n)
        if n > 0 and n < np.sqrt(params[0].forced_playouts * prior * (visits - 1.0)):
            score += FORCED
        if n == 0 and prior == 0.0:
            score -= FORCED
        if score > best_score:
            best, best_score = np.int64(e), score
    return best
