/*
 * The plugin interface of usher: the one header a plugin includes.
 *
 * A plugin is one constant, `const struct usher_service usher_service`, declared with
 * USHER_SERVICE(name). Everything the host must know stands in it, so that no plugin code
 * runs before a worker has given up its privileges. Services of the host arrive as a
 * table of functions; a plugin resolves no symbol of the daemon and exports one.
 *
 * Compatibility: the host refuses another `abi`, copies the smaller of the two sizes, and
 * treats the rest as absent. Fields and functions are only ever added at the end.
 * USHER_ABI changes when a meaning changes, and has nothing to do with the release.
 *
 * A first plugin is services/skeleton/skeleton.c; the way from there to a running service
 * is doc/PLUGIN.md, the reference is usher-plugin(7). Readable as C11 and C++.
 */
#ifndef USHER_SERVICE_H
#define USHER_SERVICE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

#define USHER_ABI 1u

/* ---- values ------------------------------------------------------------------------ */

/* A socket address. `length` 0: none (an unnamed UNIX peer, a key that was not set). */
struct usher_address {
    socklen_t length;
    struct sockaddr_storage storage;
};

/* A list of texts, in the order of the table. */
struct usher_list {
    size_t count;
    const char *const *at;
};

enum usher_level { USHER_ERROR, USHER_WARNING, USHER_INFO, USHER_DEBUG };

/* Why a connection went away; the argument of gone(). */
enum usher_reason {
    USHER_GONE_ENDED,    /* the plugin called end(), and all output was sent */
    USHER_GONE_ABORTED,  /* the plugin called abort() */
    USHER_GONE_PEER,     /* the peer reset the connection, or writing to it failed */
    USHER_GONE_TIMEOUT,  /* first_byte_timeout, idle_timeout or total_timeout */
    USHER_GONE_OUTPUT,   /* more was written than room() allowed */
    USHER_GONE_INPUT,    /* max_input bytes came and data() used none of them */
    USHER_GONE_STOPPED,  /* the daemon drains, an administrator closed it, or no memory
                            was left */
    USHER_GONE_HANDED    /* hand_over() took it: another service answers now */
};

/* ---- options --------------------------------------------------------------------------
 *
 * A row per key that the service's `options = { ... }` group may hold. The reader checks
 * the table against these rows, the manual page is compared with them, and the worker
 * fills the plugin's configuration struct from them. The macros check the field's type
 * when the plugin is compiled.
 */
enum usher_type {
    USHER_TYPE_BOOL,     /* bool */
    USHER_TYPE_UINT,     /* unsigned, within min..max */
    USHER_TYPE_SIZE,     /* uint64_t, bytes: 512, "64k", "1M", "none" (USHER_SIZE_NONE),
                            "unlimited" (USHER_SIZE_UNLIMITED); min..max for the others */
    USHER_TYPE_DURATION, /* int64_t, milliseconds: "500ms", "30s", "5m", "2h", "none"
                            (-1) */
    USHER_TYPE_TEXT,     /* const char *, min..max bytes long, never NULL unless preset
                            is */
    USHER_TYPE_ENUM,     /* int, the place in `choices`, from 0 */
    USHER_TYPE_LIST,     /* struct usher_list of texts */
    USHER_TYPE_ADDRESS,  /* struct usher_address: "HOST:PORT", resolved by the reader */
    USHER_TYPE_MODE,     /* unsigned, a file mode or umask: "0660" */
    USHER_TYPE_INT       /* int, within min..max */
};

#define USHER_SIZE_NONE UINT64_MAX
#define USHER_SIZE_UNLIMITED (UINT64_MAX - 1)

struct usher_option {
    const char *key;
    enum usher_type type;
    size_t offset;       /* of the field in the configuration struct */
    const char *preset;  /* the default, written as in the table; NULL: the field stays
                            zero */
    int64_t min, max;    /* both included; for TEXT and LIST: length, number of items */
    const char *unit;    /* "bytes", "seconds", ... or NULL; for messages and manuals */
    const char *choices; /* ENUM: "one|two|three"; otherwise NULL */
    const char *help;    /* one sentence */
};

#ifdef __cplusplus
#define USHER_FIELD(T, f, type) offsetof(T, f)
#else
/* The field's offset, and an error at compile time when the field has another type. */
#define USHER_FIELD(T, f, type) (_Generic(((T *)0)->f, type: offsetof(T, f)))
#endif

#define USHER_OPTION_BOOL(T, f, preset, help)                                            \
    { #f, USHER_TYPE_BOOL, USHER_FIELD(T, f, bool), preset, 0, 1, NULL, NULL, help }
#define USHER_OPTION_UINT(T, f, preset, min, max, unit, help)                            \
    { #f, USHER_TYPE_UINT, USHER_FIELD(T, f, unsigned), preset, min, max, unit, NULL, help }
#define USHER_OPTION_INT(T, f, preset, min, max, unit, help)                             \
    { #f, USHER_TYPE_INT, USHER_FIELD(T, f, int), preset, min, max, unit, NULL, help }
#define USHER_OPTION_SIZE(T, f, preset, min, max, help)                                  \
    { #f, USHER_TYPE_SIZE, USHER_FIELD(T, f, uint64_t), preset, min, max, "bytes", NULL, help }
#define USHER_OPTION_DURATION(T, f, preset, min, max, help)                              \
    { #f, USHER_TYPE_DURATION, USHER_FIELD(T, f, int64_t), preset, min, max, "ms", NULL, help }
#define USHER_OPTION_TEXT(T, f, preset, min, max, help)                                  \
    { #f, USHER_TYPE_TEXT, USHER_FIELD(T, f, const char *), preset, min, max, "bytes", NULL,   \
      help }
#define USHER_OPTION_ENUM(T, f, preset, choices, help)                                   \
    { #f, USHER_TYPE_ENUM, USHER_FIELD(T, f, int), preset, 0, 0, NULL, choices, help }
#define USHER_OPTION_LIST(T, f, preset, min, max, help)                                  \
    { #f, USHER_TYPE_LIST, USHER_FIELD(T, f, struct usher_list), preset, min, max, NULL, NULL, \
      help }
#define USHER_OPTION_ADDRESS(T, f, preset, help)                                         \
    { #f, USHER_TYPE_ADDRESS, USHER_FIELD(T, f, struct usher_address), preset, 0, 0, NULL,     \
      NULL, help }
#define USHER_OPTION_END { NULL, USHER_TYPE_BOOL, 0, NULL, 0, 0, NULL, NULL, NULL }

/* ---- what callbacks are handed --------------------------------------------------------
 *
 * Structs here begin with their size as the host knows it; a plugin built against a newer
 * header asks it before reading a field that was added later.
 */
struct usher_host;

/* One service of the table, in one worker. Lives from open() until after close(). */
struct usher_instance {
    size_t size;
    const struct usher_host *host;
    const char *name; /* the service's name in the table */
    const void *conf; /* conf_size bytes, filled from the options; constant */
    void *state;      /* what open() left; NULL without open() */
};

/* One accepted connection: a handle, valid from opened() until gone() returns. */
struct usher_conn {
    size_t size;
    const struct usher_instance *service;
    void *mine; /* the connection's own conn_size bytes, zeroed; freed by the host */
};

/* One received datagram: valid during datagram() only. */
struct usher_dgram {
    size_t size;
    const struct usher_instance *service;
    const void *bytes;
    size_t count; /* may be 0: an empty datagram is a request too (RFC 868) */
    const struct usher_address *peer;
};

/* One connection given to a blocking run(). */
struct usher_run {
    size_t size;
    const struct usher_instance *service;
    int fd; /* the connected socket, blocking; the host closes it */
    const struct usher_address *peer;
};

/* What a later answer to a datagram needs; filled by ticket(), opaque, copied as you
 * like. */
struct usher_ticket {
    size_t size;
    struct usher_address peer, local;
    size_t count;   /* bytes of the request */
    bool is_used;   /* one answer a request, unless the row says amplify */
    bool is_to_many;
    int endpoint;   /* which of the row's sockets it came to */
};

/* ---- what the host does for a plugin --------------------------------------------------
 *
 * No callback ever runs inside one of these: a write that fails, end() and abort() only
 * mark the connection; gone() comes once, after the current callback has returned, and is
 * the last. Until then the handle stays valid, and further calls on it do nothing.
 * None of them blocks. All of them are for the thread the callback runs in.
 */
struct usher_host {
    size_t size;

    /* Sends count bytes, or keeps what the peer does not take yet. All or, beyond room(),
     * nothing: then the connection ends with USHER_GONE_OUTPUT and the result is -1.
     * Borrows bytes until it returns. While output is kept nothing is read. */
    int (*write)(struct usher_conn *conn, const void *bytes, size_t count);
    /* How many bytes write() takes now; never less than 65536 when nothing is kept. */
    size_t (*room)(const struct usher_conn *conn);
    /* Sends what is kept, closes our side, waits briefly for the peer's, closes. */
    void (*end)(struct usher_conn *conn);
    /* Drops what is kept and resets the connection. */
    void (*abort)(struct usher_conn *conn);
    /* Neither data() nor finished() until resume(), which gives what data() left once
     * more. */
    void (*pause)(struct usher_conn *conn);
    void (*resume)(struct usher_conn *conn);
    /* Calls expired() once in after_ms milliseconds (0 or more); a second call replaces
     * the first, a negative after_ms cancels. One timer a connection; it dies with it. */
    void (*timer)(struct usher_conn *conn, int64_t after_ms,
                  void (*expired)(struct usher_conn *conn));
    /* Calls ready() whenever fd, which the plugin opened and goes on owning, can be read
     * (what & 1) or written (what & 2); what 0 ends it, and must come before the plugin
     * closes fd. Up to 4 a connection; they die with it. -1: no place left. */
    int (*watch)(struct usher_conn *conn, int fd, unsigned what,
                 void (*ready)(struct usher_conn *conn, int fd, unsigned what));
    /* The peer's and our own address of this connection; v4-mapped ones as IPv4. */
    void (*peer)(const struct usher_conn *conn, struct usher_address *out);
    void (*local)(const struct usher_conn *conn, struct usher_address *out);
    /* Takes the descriptor over: the host stops watching it, no stream callback but
     * gone() follows, and gone() not before done(). Slot, total_timeout and counters stay
     * with the host, which shuts the descriptor down when the connection has to end:
     * that must be noticed also while nothing is read. Whoever takes it closes it, before
     * done(). The result is the descriptor, non-blocking; -1: already ending. */
    int (*take)(struct usher_conn *conn);
    void (*done)(struct usher_conn *conn);
    /* Answers a datagram, from the address it was sent to. At most one reply a datagram;
     * it is dropped and counted where the row's UDP rules forbid it (longer than the
     * request without `amplify`, a peer's port that could loop). Borrows bytes until the
     * callback returns, so that a reply inside the request's own bytes is never
     * copied. */
    void (*reply)(struct usher_dgram *dgram, const void *bytes, size_t count);
    /* One line in the daemon's log, with the service's name; printf's formats. Bytes of a
     * peer may be given as they are: everything unprintable is escaped. Never blocks. */
    void (*log)(const struct usher_instance *service, enum usher_level level,
                const char *format, va_list args);
    /* Milliseconds on the monotonic clock. */
    int64_t (*clock_ms)(void);

    /* For plugins that need USHER_NEEDS_HAND_OVER. Their data() is shown bytes that stay
     * in the socket until it has used them, so that what follows reaches the next
     * service. Gives the connection to the row of this name, if that row says `tcpmux =
     * true`: it is admitted there by its own rules, and the receiver writes the first
     * line ("+" or "-" and CRLF, RFC 1078). 0: gone(USHER_GONE_HANDED) follows
     * (USHER_GONE_ENDED where a reload just took the row away: the host has said so); -1:
     * no such row is offered, or the connection is ending or has output kept, and it
     * stays here. Names compare without case. */
    int (*hand_over)(struct usher_conn *conn, const char *service);
    /* The names hand_over() knows, by index from 0; NULL ends. Valid while the service
     * is. */
    const char *(*offered)(const struct usher_instance *service, size_t index);

    /* As watch() and timer(), for the service as a whole, in the loop of its worker: from
     * open() until close(). Up to 4096 watches; any number of changes. Not in a forked
     * child. */
    int (*service_watch)(const struct usher_instance *service, int fd, unsigned what,
                         void (*ready)(const struct usher_instance *service, int fd,
                                       unsigned what));
    void (*service_timer)(const struct usher_instance *service, int64_t after_ms,
                          void (*expired)(const struct usher_instance *service));
    /* For answers that come later than datagram() returns: note the request, answer it
     * from any callback of the service in the loop. The UDP rules are those of reply().
     * 0; -1: dropped. */
    void (*ticket)(const struct usher_dgram *dgram, struct usher_ticket *out);
    int (*answer)(const struct usher_instance *service, struct usher_ticket *ticket,
                  const void *bytes, size_t count);
};

/* ---- what a plugin says of itself -------------------------------------------------- */

#define USHER_STREAM 1u   /* TCP, UNIX stream and seqpacket */
#define USHER_DATAGRAM 2u /* UDP, UNIX datagram */

/* What a service needs beyond its sockets; each widens the sandbox of its own pool
 * only. */
#define USHER_NEEDS_FILES 1u     /* opens files while it serves */
#define USHER_NEEDS_PASSWD 2u    /* looks people up */
#define USHER_NEEDS_CONNECT 4u   /* opens connections */
#define USHER_NEEDS_FORK 8u      /* starts processes */
#define USHER_NEEDS_VIEW 16u     /* reads the counters of all services */
#define USHER_NEEDS_HAND_OVER 32u /* gives connections to other services */
/* Answers from its worker's loop, with service_watch() or service_timer(): no mode "fork"
 * for rows with connections, or with datagrams. Those that look people up have it the
 * other way round: that may take its time, so their rows are refused without mode
 * "fork". */
#define USHER_NEEDS_STREAM_LOOP 64u
#define USHER_NEEDS_DATAGRAM_LOOP 128u
#define USHER_NEEDS_NETWORK 256u /* asks the kernel about the machine's sockets
                                    (netlink) */

/*
 * The descriptor. Callbacks that are NULL do what is written behind them. "loop": in a
 * worker's event loop (mode "dispatch") or in a child of its own (mode "fork"), from the
 * same source.
 */
struct usher_service {
    uint32_t abi;
    uint32_t size;    /* of this struct, as the plugin knows it */
    const char *name; /* the name `plugin = "..."` asks for */

    uint32_t option_size; /* of struct usher_option, as the plugin knows it */
    uint32_t shapes;      /* USHER_STREAM | USHER_DATAGRAM */
    uint32_t needs;       /* USHER_NEEDS_...; 0 for most */
    const char *sentence; /* what it does, for `usherctl` and manuals */
    const struct usher_option *options; /* ends with USHER_OPTION_END; NULL: none */
    size_t conf_size; /* bytes of the configuration struct the options fill */
    size_t conn_size; /* bytes a connection needs for itself, at most 65536 */
    size_t max_input; /* bytes the host keeps while data() waits for more; 0: 4096 */

    /*
     * Check the rules between options.
     *   when     once per row, when the table is read
     *   process  the catalogue: unprivileged, short-lived; no side effects
     *   block    no
     *   owns     nothing; writes at most room bytes of text, NUL included, into error
     *   result   0 good; -1 refused, error says why (one sentence, no full stop)
     */
    int (*check)(const void *conf, char *error, size_t room); /* NULL: nothing to check */

    /*
     * Get ready to serve one row.
     *   when     once per row and worker, before the first caller
     *   process  the worker, unprivileged; the last doors close after it, so files may be
     *            opened here
     *   block    briefly
     *   owns     what it stores in *state, until close(); service stays valid until then
     *   result   0 good; -1 failed: the plugin logs why, the plan is refused
     */
    int (*open)(const struct usher_instance *service, void **state); /* NULL: state is NULL */

    /*
     * The mirror image of open().
     *   when     once, after the last connection is gone; not when a worker is killed
     *   process  as open()
     *   block    no
     *   owns     state, for the last time
     */
    void (*close)(void *state); /* NULL: nothing */

    /*
     * A caller was admitted.
     *   when     once per connection, first
     *   process  loop
     *   block    no
     *   owns     nothing; the host owns conn and conn->mine
     */
    void (*opened)(struct usher_conn *conn); /* NULL: nothing */

    /*
     * Bytes came.
     *   when     when there are new bytes, or after resume(); never while output is kept
     *   process  loop
     *   block    no
     *   owns     borrows bytes until return
     *   packets  of a seqpacket socket come one a call, behind what was left of those
     *            before; one longer than 65536 bytes ends the connection, an empty one is
     *            passed over
     *   result   how many bytes it used. The rest is kept and comes again with more behind
     *            it; when max_input bytes are kept and none is used, the connection ends.
     *            Bytes left for want of room() come again only with pause() here and
     *            resume() in drained(): the peer may be waiting, and send no more.
     */
    size_t (*data)(struct usher_conn *conn, const void *bytes, size_t count); /* NULL: all */

    /*
     * The peer finished sending; we may still write.
     *   when     at most once, after the last data(); never while paused or output is kept
     *   process  loop
     *   block    no
     *   owns     borrows rest, the bytes data() never used, until return
     */
    void (*finished)(struct usher_conn *conn, const void *rest, size_t count); /* NULL: end() */

    /*
     * All output was taken by the system; room() is whole again.
     *   when     after a write() that could not be sent at once
     *   process  loop
     *   block    no
     */
    void (*drained)(struct usher_conn *conn); /* NULL: nothing */

    /*
     * The connection is over.
     *   when     once per opened(), last
     *   process  loop
     *   block    no
     *   owns     conn->mine, for the last time; host functions on conn do nothing but log,
     *            peer and local
     */
    void (*gone)(struct usher_conn *conn, enum usher_reason reason); /* NULL: nothing */

    /*
     * One datagram came.
     *   when     once per datagram that was admitted
     *   process  loop
     *   block    no
     *   owns     borrows dgram and its bytes until return
     */
    void (*datagram)(struct usher_dgram *dgram); /* required for USHER_DATAGRAM */

    /*
     * Serve one connection from beginning to end.
     *   when     once per connection, where mode = "fork" and the callbacks above are absent
     *   process  a child of its own, unprivileged
     *   block    may
     *   owns     borrows run and its descriptor until return
     *   result   0 good; -1 failed: counted
     */
    int (*run)(struct usher_run *run);
};

/* ---- conveniences ------------------------------------------------------------------ */

#if defined(USHER_BUILTIN)
/* Linked into the daemon: each service has a name of its own. */
#define USHER_SERVICE(id)                                                                \
    extern const struct usher_service usher_service_##id;                                \
    const struct usher_service usher_service_##id
#else
/* A module: the one exported symbol. */
#define USHER_SERVICE(id)                                                                \
    extern const struct usher_service usher_service                                      \
        __attribute__((visibility("default")));                                          \
    const struct usher_service usher_service
#endif

/* The first line of every descriptor: who it was built for. */
#define USHER_SERVICE_HEADER                                                             \
    .abi = USHER_ABI, .size = (uint32_t)sizeof(struct usher_service),                    \
    .option_size = (uint32_t)sizeof(struct usher_option)

static inline int usher_write(struct usher_conn *conn, const void *bytes, size_t count)
{
    return conn->service->host->write(conn, bytes, count);
}

static inline size_t usher_room(const struct usher_conn *conn)
{
    return conn->service->host->room(conn);
}

static inline void usher_end(struct usher_conn *conn)
{
    conn->service->host->end(conn);
}

static inline void usher_abort(struct usher_conn *conn)
{
    conn->service->host->abort(conn);
}

static inline void usher_pause(struct usher_conn *conn)
{
    conn->service->host->pause(conn);
}

static inline void usher_resume(struct usher_conn *conn)
{
    conn->service->host->resume(conn);
}

static inline void usher_reply(struct usher_dgram *dgram, const void *bytes, size_t count)
{
    dgram->service->host->reply(dgram, bytes, count);
}

__attribute__((format(printf, 3, 4))) static inline void
usher_log(const struct usher_instance *service, enum usher_level level,
          const char *format, ...)
{
    va_list args;

    va_start(args, format);
    service->host->log(service, level, format, args);
    va_end(args);
}

#ifdef __cplusplus
}
#endif

#endif
