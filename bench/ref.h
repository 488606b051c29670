/*
 * What the bare reference loops share: a listening socket whose port the kernel
 * chooses, the line that tells the port, and an end with a message. Nothing here runs
 * per operation.
 */
#ifndef BENCH_REF_H
#define BENCH_REF_H

/*
 * Open a socket of this type (SOCK_STREAM listens too; SOCK_NONBLOCK may be or-ed) on
 * 127.0.0.1 and print "port N" on standard output. Ends the program on failure.
 */
int ref_open(int type);

/* Say what failed, with errno, and end the program. */
_Noreturn void ref_die(const char *what);

#endif
