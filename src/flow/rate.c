#include "flow/rate.h"

static uint64_t cost_of(const struct admission_rate *rate, unsigned shares)
{
    return (uint64_t)rate->per_ms * shares;
}

static uint64_t room_of(const struct admission_rate *rate, unsigned shares)
{
    uint64_t room = rate->burst * (uint64_t)rate->per_ms, cost = cost_of(rate, shares);

    return room > cost ? room : cost;
}

static void refill(struct bucket *bucket, const struct admission_rate *rate,
                   int64_t now_ms)
{
    uint64_t passed =
        now_ms > bucket->since_ms ? (uint64_t)(now_ms - bucket->since_ms) : 0;

    /* Compared by division: a product could be too large after years. */
    if (passed > bucket->spent / rate->count)
        bucket->spent = 0;
    else
        bucket->spent -= passed * rate->count;
    bucket->since_ms = now_ms;
}

bool rate_allows(struct bucket *bucket, const struct admission_rate *rate,
                 unsigned shares, int64_t now_ms)
{
    if (rate->count == 0)
        return true;
    refill(bucket, rate, now_ms);
    return bucket->spent + cost_of(rate, shares) <= room_of(rate, shares);
}

void rate_spend(struct bucket *bucket, const struct admission_rate *rate, unsigned shares)
{
    if (rate->count > 0)
        bucket->spent += cost_of(rate, shares);
}

int64_t rate_wait_ms(const struct bucket *bucket, const struct admission_rate *rate,
                     unsigned shares)
{
    uint64_t wanted = bucket->spent + cost_of(rate, shares), room = room_of(rate, shares);

    if (wanted <= room)
        return 1;
    return (int64_t)((wanted - room + rate->count - 1) / rate->count);
}
