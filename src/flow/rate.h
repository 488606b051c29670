/*
 * Token buckets: "50/s", "600/m", "50/s:100" (conf/admission.h) on the monotonic clock.
 * Whole numbers only, so that nothing drifts, however long it runs: a bucket keeps what
 * was spent, in units of which `count` come back every millisecond and one caller costs
 * `per_ms`. Steps of the wall clock are not seen.
 *
 * shares: how many workers have a bucket of the same rate; each gets its even part, of
 * the burst as well, and never less than one caller.
 */
#ifndef FLOW_RATE_H
#define FLOW_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/admission.h"

struct bucket { /* zeroed: full */
    uint64_t spent;
    int64_t since_ms; /* what spent stands for */
};

/* Whether one caller more is within the rate; nothing is spent. rate->count 0: no rate,
 * always. */
bool rate_allows(struct bucket *bucket, const struct admission_rate *rate,
                 unsigned shares, int64_t now_ms);
void rate_spend(struct bucket *bucket, const struct admission_rate *rate,
                unsigned shares);
/* After rate_allows() said no: when it would say yes. At least 1. */
int64_t rate_wait_ms(const struct bucket *bucket, const struct admission_rate *rate,
                     unsigned shares);

#endif
