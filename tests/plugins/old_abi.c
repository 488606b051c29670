/* Built for another ABI: refused, and nothing behind .abi and .size is looked at. */
#include <usher/service.h>

USHER_SERVICE(old_abi) = {
    .abi = USHER_ABI - 1,
    .size = 24,
    .name = (const char *)8,
};
