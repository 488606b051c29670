/* A plugin as a stranger would write it: built outside the tree, against what was
 * installed. */
#include <usher/service.h>

static void greet(struct usher_conn *conn)
{
    usher_write(conn, "hello from outside\n", 19);
    usher_end(conn);
}

USHER_SERVICE(hello) = {
    USHER_SERVICE_HEADER,
    .name = "hello",
    .sentence = "says hello and closes",
    .shapes = USHER_STREAM,
    .opened = greet,
};
