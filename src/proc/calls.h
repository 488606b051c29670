/*
 * System calls by what they are for: which sets a process may use, or may not, is
 * proc/filter's decision. Names, so that they mean the same on every processor; a name
 * that a processor or an older libseccomp does not know is left out.
 */
#ifndef PROC_CALLS_H
#define PROC_CALLS_H

enum calls {
    CALLS_BASE,     /* serving sockets that are open already, in a readiness loop */
    CALLS_FILES,    /* looking at files; with which flags, proc/filter says */
    CALLS_SOCKETS,  /* what belongs to socket(): which families, proc/filter says */
    CALLS_CHILDREN, /* fork, and caring for children; clone() itself is proc/filter's */
    CALLS_LOADING,  /* closing one more door later on */
    CALLS_HOSTILE,  /* nobody who serves asks for these */
    CALLS_NO_FILE,  /* refused with EACCES where they are not allowed: libraries try
                       them */
    CALLS_NO_RIGHT, /* refused with EPERM where they are not allowed */
    CALLS_PROGRAMS_MAY_NOT, /* refused to programs with EPERM */
};

const char *const *calls_of(enum calls set); /* ends with NULL */

#endif
