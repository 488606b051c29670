/*
 * Turning a caller away: counted by reason, said in the log once a second a row at most
 * (with a summary when a flood is over), told to the caller where the row has a banner
 * for it.
 */
#ifndef FLOW_REFUSAL_H
#define FLOW_REFUSAL_H

#include "flow/admit.h"
#include "loop/loop.h"

#define REFUSAL_LOG_MS 1000

struct refusal { /* in a row */
    int64_t next_ms;          /* when a line may be said again */
    unsigned long left_out;   /* since the last one */
    unsigned long left_out_by[ADMIT_VERDICTS];
    struct watch summary;     /* runs while something was left out */
};

void refusal_init(struct row *row);
void refusal_fini(struct row *row);

/* Takes fd over: says banner_denied or banner_busy and leaves it to flow/farewell, or
 * closes it. */
void refusal_stream(struct row *row, int fd, const struct peer *peer,
                    enum admit_verdict verdict);
/* for who says it himself */
void refusal_count(struct row *row, enum admit_verdict verdict);
/* Counts and says it only: for datagrams, which are never answered, and for the door,
 * which has its own words. */
void refusal_note(struct row *row, const struct peer *peer, enum admit_verdict verdict);

/* Whether the socket took all of it, at once. */
bool refusal_tell(int fd, const char *text);
/* The row's `banner`, to one who is about to be served. */
void refusal_greet(const struct row *row, int fd);

#endif
