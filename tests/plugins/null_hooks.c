/* A name and no callback at all, for no shape: refused where it is listened for. */
#include <usher/service.h>

USHER_SERVICE(null_hooks) = {
    USHER_SERVICE_HEADER,
    .name = "null_hooks",
};
