/* The names of this system's users, read once: later the files are out of reach, and
 * asking could block. */
#ifndef IDENT_NAMES_H
#define IDENT_NAMES_H

#include <stddef.h>
#include <sys/types.h>

struct name {
    uid_t uid;
    char *text;
};

struct names {
    struct name *all;
    size_t count;
};

/* For names of zeros. -1: no memory; what is there is to be freed all the same. */
int names_read(struct names *names);
void names_free(struct names *names);
/* The first one of several names, as the system has it; NULL: none. */
const char *names_find(const struct names *names, uid_t uid);

#endif
