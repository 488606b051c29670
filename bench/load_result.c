#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t load_failures(const struct load_result *r)
{
    return r->refused + r->reset + r->early_eof + r->timed_out + r->wrong + r->lost
           + r->other;
}

void load_count_errno(struct load_result *result, int error)
{
    switch (error) {
    case ECONNREFUSED:
        result->refused++;
        break;
    case ECONNRESET:
    case EPIPE:
        result->reset++;
        break;
    case ETIMEDOUT:
    case EAGAIN: /* a blocking socket's own deadline */
    case EINPROGRESS:
        result->timed_out++;
        break;
    default:
        result->other++;
    }
}

void load_note_latency(struct load_result *result, uint64_t ns)
{
    if (result->latency_count < result->latency_max)
        result->latency_ns[result->latency_count++]
            = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static int compare(const void *one, const void *other)
{
    const uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

    return (a > b) - (a < b);
}

static double percentile_us(const struct load_result *result, size_t hundredths)
{
    size_t at = result->latency_count * hundredths / 100;

    return (double)result->latency_ns[at] / 1000.0;
}

void load_print(struct load_result *r)
{
    printf("ops=%llu bytes=%llu seconds=%.3f", (unsigned long long)r->ops,
           (unsigned long long)r->bytes, (double)(r->ended_ns - r->started_ns) / 1e9);
    printf(" refused=%llu reset=%llu early_eof=%llu timed_out=%llu",
           (unsigned long long)r->refused, (unsigned long long)r->reset,
           (unsigned long long)r->early_eof, (unsigned long long)r->timed_out);
    printf(" wrong=%llu lost=%llu late=%llu other=%llu", (unsigned long long)r->wrong,
           (unsigned long long)r->lost, (unsigned long long)r->late,
           (unsigned long long)r->other);
    if (r->latency_count > 0) {
        qsort(r->latency_ns, r->latency_count, sizeof(r->latency_ns[0]), compare);
        printf(" p50_us=%.1f p99_us=%.1f", percentile_us(r, 50), percentile_us(r, 99));
    }
    printf("\n");
    fflush(stdout);
}
