/*
 * What usherd does without serving: --check, --table, --list-keys. Each yields an exit
 * status.
 */
#ifndef MASTER_INSPECT_H
#define MASTER_INSPECT_H

#include "master/options.h"

int inspect_check(const struct options *options); /* mistakes and warnings to standard
                                                     error */
int inspect_table(const struct options *options);
int inspect_keys(void);

#endif
