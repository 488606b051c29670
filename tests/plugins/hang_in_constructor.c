/* Never comes back from being loaded: the catalogue has a deadline. */
#include <unistd.h>

#include <usher/service.h>

__attribute__((constructor)) static void wait_for_ever(void)
{
    for (;;)
        pause();
}

USHER_SERVICE(hang_in_constructor) = {
    USHER_SERVICE_HEADER,
    .name = "hang_in_constructor",
    .shapes = USHER_STREAM,
    .sentence = "Can not be loaded.",
};
