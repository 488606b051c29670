/*
 * The load generator's shared words: what is asked for, what came of it, and the small
 * things every mode needs. One process, one thread; each mode is a function that runs
 * until the count or the time is over, never longer, and fills the result.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>

#define LOAD_MAX_MESSAGE 512           /* bytes of one message or expected answer */
#define LOAD_PATIENCE_NS 5000000000ull /* an operation that takes longer has timed out */
#define LOAD_TICK_MS 100               /* how often deadlines are looked at */
#define LOAD_MAX_FAILURES 1000         /* a run with more ends early */

struct load_options {
    const struct load_mode *mode;
    struct sockaddr_in server;
    unsigned at_once;     /* operations in flight */
    unsigned connections; /* held connections (ping-pong, idle) */
    unsigned sources;     /* addresses of 127.0.0.0/8 to connect from */
    uint64_t count;       /* operations at most */
    uint64_t run_ns;      /* time after which no operation is started */
    size_t size;          /* bytes of a message */
    const char *expect;   /* the answer a program must give */
    bool in_step;         /* wait for a line before the work, for end of file after it */
};

struct load_result {
    uint64_t ops;   /* verified ones only */
    uint64_t bytes; /* received and verified */
    uint64_t refused, reset, early_eof, timed_out, wrong, lost, late, other;
    uint64_t started_ns, ended_ns;
    uint32_t *latency_ns; /* of the first latency_max operations, or NULL */
    size_t latency_count, latency_max;
};

struct load_mode {
    const char *name;
    const char *help;
    unsigned at_once; /* default */
    void (*run)(const struct load_options *options, struct load_result *result);
};

/* The modes; each is described where it is implemented. */
void load_tcp_echo(const struct load_options *options, struct load_result *result);
void load_exec(const struct load_options *options, struct load_result *result);
void load_daytime(const struct load_options *options, struct load_result *result);
void load_ping_pong(const struct load_options *options, struct load_result *result);
void load_idle(const struct load_options *options, struct load_result *result);
void load_udp_echo(const struct load_options *options, struct load_result *result);
void load_bulk(const struct load_options *options, struct load_result *result);

/* load_result.c */

/* How many operations went wrong, of every kind (a late answer was already lost). */
uint64_t load_failures(const struct load_result *result);
/* Count a failure by the errno it came with. */
void load_count_errno(struct load_result *result, int error);
void load_note_latency(struct load_result *result, uint64_t ns);
/* The one line that bench/run reads: key=value, separated by spaces. */
void load_print(struct load_result *result);

/* load_tools.c */

_Noreturn void load_die(const char *what); /* with errno; exit code 3 */
uint64_t load_now_ns(void);
void *load_alloc(size_t count, size_t size); /* zeroed; never NULL */

/*
 * The end of set-up: says "ready" and waits for a line on standard input when asked to
 * run in step, then starts the clock. load_finish stops it.
 */
void load_start(const struct load_options *options, struct load_result *result);
void load_finish(struct load_result *result);
/*
 * True when no further operation should be started: count, time or failures are used
 * up.
 */
bool load_is_over(const struct load_options *options, const struct load_result *result,
                  uint64_t started_ops);

/*
 * A stream socket bound to the next source address, and connected or connecting. The
 * kernel chooses the port. type_flags: 0 or SOCK_NONBLOCK. -1 with errno.
 */
int load_connect(const struct load_options *options, int type_flags);

/* A message is a function of its number, so that any mixed-up answer is seen. */
void load_fill(char *message, size_t size, uint64_t number);
bool load_matches(const char *message, size_t size, uint64_t number);

#endif
