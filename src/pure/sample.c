/* Samples. The binomial sums are products kept in range, so that no logarithm is needed. */
/* SPDX-License-Identifier: MIT */
#include "pure/sample.h"

#include <assert.h>

#define BISECTIONS 60
#define SMALL 1e-200

/* P(X = k) for X of n draws with probability p: its factors are taken in an order that keeps the
 * product in range as long as the result is. */
static double
binomial_term(uint64_t n, uint64_t k, double p)
{
	uint64_t choices = 0, hits = k, misses = n - k;
	double product = 1;

	while (choices < k || hits || misses) {
		if (choices < k && (product < 1 || (!hits && !misses))) {
			choices++;
			product *= (double)(n - k + choices) / (double)choices;
		} else if (hits) {
			hits--;
			product *= p;
		} else {
			misses--;
			product *= 1 - p;
		}
		if (product < SMALL && choices == k)
			return 0;
	}
	return product;
}

/* P(X <= k), from the k-th term down; k is below the middle wherever this is asked. */
static double
binomial_below(uint64_t n, uint64_t k, double p)
{
	double term = binomial_term(n, k, p), sum = term;

	for (uint64_t i = k; i > 0 && term > sum * 1e-17; i--) {
		term *= (double)i / (double)(n - i + 1) * (1 - p) / p;
		sum += term;
	}
	return sum;
}

double
sample_upper_bound(uint64_t n, uint64_t wrong, double confidence)
{
	double lo, hi = 1, mid;

	assert(confidence > 0 && confidence < 1);
	if (!n || wrong >= n)
		return 1;
	lo = (double)wrong / (double)n;
	for (int i = 0; i < BISECTIONS; i++) {
		mid = (lo + hi) / 2;
		if (binomial_below(n, wrong, mid) > 1 - confidence)
			lo = mid;
		else
			hi = mid;
	}
	return hi;
}

uint64_t
sample_needed(uint64_t wrong, double confidence, double max_defect)
{
	uint64_t lo = wrong, hi = wrong + 1;

	/* It falls as n grows. */
	while (hi < SAMPLE_MOST && sample_upper_bound(hi, wrong, confidence) > max_defect) {
		lo = hi;
		hi *= 2;
	}
	if (hi >= SAMPLE_MOST)
		hi = SAMPLE_MOST;
	while (hi - lo > 1) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (sample_upper_bound(mid, wrong, confidence) > max_defect)
			lo = mid;
		else
			hi = mid;
	}
	return hi;
}

/* The stratum that is furthest behind its share and has room; strata when none has. */
static size_t
most_behind(const size_t *sizes, size_t strata, const size_t *counts)
{
	size_t best = strata;

	for (size_t i = 0; i < strata; i++) {
		if (counts[i] >= sizes[i])
			continue;
		/* Who has none comes first, then by size for each one drawn (Webster's method). */
		if (best == strata || (!counts[i] && counts[best]) ||
		    (!counts[i] == !counts[best] &&
		     (double)sizes[i] * (double)(2 * counts[best] + 1) >
			     (double)sizes[best] * (double)(2 * counts[i] + 1)))
			best = i;
	}
	return best;
}

size_t
sample_share(const size_t *sizes, size_t strata, size_t want, size_t *ret_counts)
{
	size_t shared = 0, next;

	for (size_t i = 0; i < strata; i++)
		ret_counts[i] = 0;
	for (; shared < want; shared++) {
		next = most_behind(sizes, strata, ret_counts);
		if (next == strata)
			break;
		ret_counts[next]++;
	}
	return shared;
}

/* Vigna's splitmix64. */
static uint64_t
next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* In [0, n) without bias. */
static uint64_t
random_below(uint64_t *state, uint64_t n)
{
	uint64_t limit = UINT64_MAX - UINT64_MAX % n, r;

	do
		r = next_random(state);
	while (r >= limit);
	return r % n;
}

void
sample_draw(uint64_t seed, size_t size, size_t count, size_t *ret_indexes)
{
	size_t drawn = 0;

	assert(count <= size);
	/* Knuth's algorithm S: each index is taken with the chance that it is still needed. */
	for (size_t i = 0; drawn < count; i++)
		if (random_below(&seed, size - i) < count - drawn)
			ret_indexes[drawn++] = i;
}
