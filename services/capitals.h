/* The letters a to z as capitals, by arithmetic: the locale has no say. */
#ifndef CAPITALS_H
#define CAPITALS_H

#include <stddef.h>

static inline void capitals(char *to, const char *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (char)(from[i] >= 'a' && from[i] <= 'z' ? from[i] - 'a' + 'A' : from[i]);
}

#endif
