/*
 * How a fuzz target says that a promise does not hold: with the promise itself, then
 * abort().
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <stdio.h>
#include <stdlib.h>

#define must(holds)                                                                      \
    do {                                                                                 \
        if (!(holds)) {                                                                  \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #holds);   \
            abort();                                                                     \
        }                                                                                \
    } while (0)

#endif
