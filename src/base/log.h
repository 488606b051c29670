/*
 * The log as the rest of the program sees it: a level, a subject (folder or service), one
 * line of text. Where lines go is the sink's affair: the master writes them
 * (master/logsink), a worker sends them through its droppable channel. No function here
 * blocks or fails, all keep errno. Lines longer than LOG_LINE are cut.
 *
 * Style of a line: a fixed verb, then key=value: "open endpoint=tcp://127.0.0.1:7
 * service=echo". Text that came from a peer goes through log_escape() first.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define LOG_LINE 1024

/* syslog.h has the names without the line below. */
enum log_level { LOG_ERROR_, LOG_WARNING_, LOG_INFO_, LOG_DEBUG_ };

/* Gets every line that passes the level: no newline at its end. Must not log. */
typedef void log_sink_fn(enum log_level level, const char *subject, const char *line);

/* Before the first call lines go to stderr. NULL: back to stderr. */
void log_to(log_sink_fn *sink);
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);
const char *log_level_name(enum log_level level);
int log_level_parse(const char *name, enum log_level *level_out);

__attribute__((format(printf, 2, 3))) void log_error(const char *subject,
                                                     const char *format, ...);
__attribute__((format(printf, 2, 3))) void log_warning(const char *subject,
                                                       const char *format, ...);
__attribute__((format(printf, 2, 3))) void log_info(const char *subject,
                                                    const char *format, ...);
__attribute__((format(printf, 2, 3))) void log_debug(const char *subject,
                                                     const char *format, ...);
void log_write(enum log_level level, const char *subject, const char *format,
               va_list args) __attribute__((format(printf, 3, 0)));
/* Our own bug: logs and aborts. */
__attribute__((noreturn, format(printf, 2, 3))) void log_panic(const char *subject,
                                                               const char *format, ...);

/*
 * Says something at most once a second: `if (log_limit(&limit, &left_out))
 * log_warning(...)`. left_out gets how many calls were refused since the last one that
 * was allowed.
 */
struct log_limit {
    long long next_ms;
    unsigned long left_out;
};
bool log_limit(struct log_limit *limit, unsigned long *left_out);

/*
 * The same for what may be said some times a second. left_out is not 0 where a new second
 * begins after one in which calls were refused: then it is the time to say how many.
 */
struct log_budget {
    long long until_ms;
    unsigned said;
    unsigned long left_out;
};
bool log_spend(struct log_budget *budget, unsigned a_second, unsigned long *left_out);

/*
 * Makes any bytes one printable line: backslash as \\, other bytes outside 0x20..0x7e as
 * \xHH. Cuts at room (a "..." marks it), always ends with NUL. Returns out.
 */
char *log_escape(char *out, size_t room, const void *bytes, size_t count);
/* The same for what will stand between quotes: '"' is \x22. */
char *log_escape_quoted(char *out, size_t room, const void *bytes, size_t count);

#endif
