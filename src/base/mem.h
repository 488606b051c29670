/*
 * Allocation that cannot fail: without memory the process says so and ends with 3 (the
 * master starts a worker again). What may fail and recover (buffers of connections) uses
 * mem_try().
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_new(size_t size);                           /* zeroed */
void *mem_array(size_t count, size_t size);           /* zeroed; overflow checked */
void *mem_grow(void *old, size_t count, size_t size); /* new tail is not zeroed */
char *mem_text(const char *text);                     /* NULL stays NULL */
char *mem_bytes(const char *bytes, size_t count);     /* adds a NUL */
__attribute__((format(printf, 1, 2))) char *mem_print(const char *format, ...);
void *mem_try(size_t size); /* NULL when there is none; not zeroed */
/* Frees and leaves NULL: mem_free(&x->name). */
#define mem_free(where) mem_free_at((void *)(where))
void mem_free_at(void *where);

/* Appends one zeroed element to a counted array and yields its address:
 * `struct row *row = MEM_PUSH(plan->rows, plan->row_count);` The array may move. */
#define MEM_PUSH(array, count)                                                           \
    ((array) = mem_push((array), (count)++, sizeof *(array)), &(array)[(count)-1])
void *mem_push(void *array, size_t count, size_t size);

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
/* The struct a member lies in. */
#define CONTAINER(ptr, type, member)                                                     \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
