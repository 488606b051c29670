/*
 * Descriptors: every one is close-on-exec from the call that makes it, has one owner, and
 * is -1 when there is none.
 */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

void fd_close(int *fd); /* closes what is there, leaves -1, keeps errno */
int fd_set_nonblock(int fd, bool on);
/* Opens /dev/null on those of 0, 1, 2 that are closed: first thing in main(). */
int fd_fill_standard(struct err *err);
/* Closes every descriptor from 3 up but the kept ones (keep is sorted in place). No
 * /proc. */
int fd_close_all_but(int *keep, size_t count, struct err *err);
/* SOCK_SEQPACKET pair of UNIX sockets, close-on-exec, non-blocking. */
int fd_pair(int pair[2], struct err *err);
/* After a read of packets that brought nothing. It may have been an empty one, which is
 * passed over: the end is where the peer has gone and no bytes are left, asked in this
 * order. */
bool fd_packets_ended(int fd);
/* Writes all, waiting as needed; for files and blocking descriptors only. 0 or -1. */
int fd_write_all(int fd, const void *bytes, size_t count);
/* Before main() ends well: what was printed has arrived, all of it. */
int fd_finish_output(struct err *err);

#endif
