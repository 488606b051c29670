/* What a request asks for: the part of its target that names a file. */
#ifndef HTTP_PATH_H
#define HTTP_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_PATH_MAX 4096

/* Proxies' form of a target, "http://HOST/PATH", without what stands before its path,
 * which is ours or does not matter; every other form as it is. */
const char *http_origin(const char *target);

/*
 * Decodes a target ("/a/b%20c", or with "http://HOST" before it) into a path below a
 * folder: "a/b c", "" for the folder itself, "a/" where a folder was asked for. Refuses
 * (false) whatever could leave the folder or is no plain name: empty segments, segments
 * that begin with a dot (".", "..", hidden files), an encoded slash, control bytes, a bad
 * escape, more than room bytes.
 */
bool http_path(const char *target, char *out, size_t room);

#endif
