/*
 * One error: what could not be done, in words. A function that can fail takes `struct err
 * *err` last, returns -1 (or NULL) and fills it; the place that knows the most writes the
 * text, callers may put a prefix before it, and only the end of the journey logs it. A
 * fixed buffer: no allocation, and setting an error cannot fail.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define ERR_TEXT 512

struct err {
    int code; /* errno of the failed system call; 0: no system call failed */
    char text[ERR_TEXT];
};

#define ERR_EMPTY                                                                        \
    {                                                                                    \
        0, ""                                                                            \
    }

/* All return -1, for `return err_set(...)`, and keep errno. err may be NULL: then nothing
 * is kept. The arguments may be the old text. */
__attribute__((format(printf, 2, 3))) int err_set(struct err *err, const char *format,
                                                  ...);
/* Appends ": " and the text of errno. */
__attribute__((format(printf, 2, 3))) int err_sys(struct err *err, const char *format,
                                                  ...);
/* Puts "prefix: " before what is there; a text that grows too long loses its end. */
__attribute__((format(printf, 2, 3))) int err_prefix(struct err *err, const char *format,
                                                     ...);

#endif
