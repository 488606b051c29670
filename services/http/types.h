/* The media type of a file, by the end of its name. */
#ifndef HTTP_TYPES_H
#define HTTP_TYPES_H

const char *http_type(const char *name);

#endif
