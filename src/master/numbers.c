#include "master/numbers.h"

#include <string.h>

#include "base/mem.h"

int numbers_of(struct numbers *numbers, const char *name, struct err *err)
{
    size_t free_place = numbers->count;

    for (size_t i = 0; i < numbers->count; i++) {
        if (numbers->names[i] == NULL)
            free_place = i;
        else if (strcmp(numbers->names[i], name) == 0)
            return (int)i;
    }
    if (free_place >= numbers->limit)
        return err_set(err, "%s: more than %zu names are in use", name, numbers->limit);
    if (free_place == numbers->count)
        (void)MEM_PUSH(numbers->names, numbers->count);
    numbers->names[free_place] = mem_text(name);
    return (int)free_place;
}

void numbers_prune(struct numbers *numbers,
                   int (*is_used)(const char *name, void *context), void *context)
{
    for (size_t i = 0; i < numbers->count; i++)
        if (numbers->names[i] != NULL && !is_used(numbers->names[i], context))
            mem_free(&numbers->names[i]);
}

void numbers_free(struct numbers *numbers)
{
    for (size_t i = 0; i < numbers->count; i++)
        mem_free(&numbers->names[i]);
    mem_free(&numbers->names);
    numbers->count = 0;
}
