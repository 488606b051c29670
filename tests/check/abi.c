/* Prints the layout of everything in usher/service.h that a compiled plugin depends
 * on. */
#include <stdio.h>
#include <usher/service.h>

#define SIZE(type) printf(#type " size %zu\n", sizeof(struct type))
#define AT(type, field)                                                                  \
    printf(#type "." #field " at %zu size %zu\n", offsetof(struct type, field),          \
           sizeof(((struct type *)0)->field))
#define VALUE(name) printf(#name " = %lld\n", (long long)(name))

int main(void)
{
#include "abi-list.h"
    return 0;
}
