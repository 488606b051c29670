/* What workers counted, summed over all that live: what `usherctl list` and `status`
 * show. */
#ifndef MASTER_COUNTS_H
#define MASTER_COUNTS_H

#include <stdint.h>

#include "master/pools.h"

struct counts {
    uint64_t accepted, active, failed, refused, replied, dropped, bytes_in, bytes_out;
    uint64_t refused_by[PAGE_REASONS]; /* enum admit_verdict */
    uint64_t dropped_by[PAGE_REASONS]; /* enum udp_verdict */
};

/* Of the row with this number, workers of older generations included. */
struct counts counts_of(const struct pools *pools, unsigned row);

#endif
