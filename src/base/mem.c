#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Says so without the log: its sink may need memory. */
__attribute__((noreturn)) static void end_without_memory(void)
{
    static const char text[] = "usher: out of memory\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);

    (void)written; /* nobody is left to be told */
    _exit(3);
}

static void *or_end(void *got)
{
    if (got == NULL)
        end_without_memory();
    return got;
}

void *mem_new(size_t size)
{
    return mem_array(1, size);
}

void *mem_array(size_t count, size_t size)
{
    if (count == 0 || size == 0)
        count = size = 1;
    return or_end(calloc(count, size));
}

void *mem_grow(void *old, size_t count, size_t size)
{
    if (count == 0 || size == 0)
        count = size = 1;
    return or_end(reallocarray(old, count, size));
}

char *mem_text(const char *text)
{
    return text == NULL ? NULL : mem_bytes(text, strlen(text));
}

char *mem_bytes(const char *bytes, size_t count)
{
    char *copy;

    if (count == SIZE_MAX)
        end_without_memory();
    copy = or_end(malloc(count + 1));
    if (count > 0)
        memcpy(copy, bytes, count);
    copy[count] = '\0';
    return copy;
}

char *mem_print(const char *format, ...)
{
    va_list args;
    char *text;
    int length;

    va_start(args, format);
    length = vasprintf(&text, format, args);
    va_end(args);
    return length == -1 ? or_end(NULL) : text;
}

void *mem_try(size_t size)
{
    return malloc(size > 0 ? size : 1);
}

/* Copied, since the pointer may be of any type. */
void mem_free_at(void *where)
{
    void *what, *nothing = NULL;

    memcpy(&what, where, sizeof what);
    memcpy(where, &nothing, sizeof nothing);
    free(what);
}

/* Room for the next power of two, so that only every doubling really moves the array. It
 * is asked for each time: nobody knows how the array was made. */
void *mem_push(void *array, size_t count, size_t size)
{
    size_t room = 4;
    char *grown;

    while (room <= count) {
        if (room > SIZE_MAX / 2)
            end_without_memory();
        room *= 2;
    }
    grown = mem_grow(array, room, size);
    memset(grown + count * size, 0, size);
    return grown;
}
