/* Says it serves datagrams and has no datagram(): refused. Streams would be harmless. */
#include <usher/service.h>

USHER_SERVICE(no_datagram) = {
    USHER_SERVICE_HEADER,
    .name = "no_datagram",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .sentence = "Promises more than it has.",
};
