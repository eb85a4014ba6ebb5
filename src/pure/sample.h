/* Samples: what to look at, and what having looked at it proves. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_SAMPLE_H
#define ROUSE_PURE_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The one-sided upper bound of Clopper and Pearson: when wrong of n that were drawn at random are
 * wrong, then with this confidence (0 < confidence < 1, as 0.95) at most this share of all are.
 * n = 0, or all wrong: 1. Exact for any n; takes time in proportion to n. */
double sample_upper_bound(uint64_t n, uint64_t wrong, double confidence);

/* How many have to be looked at, of which wrong are, for sample_upper_bound() to be at most
 * max_defect (0 < max_defect < 1): the least such number, at most SAMPLE_MOST. */
#define SAMPLE_MOST 1000000
uint64_t sample_needed(uint64_t wrong, double confidence, double max_defect);

/* Shares a sample of want among strata in proportion to their sizes, at least one for each that is
 * not empty while want allows it, never more than the stratum has. Returns how many are shared out:
 * want, or the sum of sizes when that is less. */
size_t sample_share(const size_t *sizes, size_t strata, size_t want, size_t *ret_counts);

/* Draws count of the indexes [0, size), each set equally likely, in ascending order; the same seed
 * draws the same. count must not exceed size. */
void sample_draw(uint64_t seed, size_t size, size_t count, size_t *ret_indexes);

#endif
