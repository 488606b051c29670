#include "flow/host.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "flow/conn.h"
#include "flow/hand_over.h"
#include "flow/request.h"
#include "flow/service_tools.h"

#define LINES 50 /* a second and row */
#define BUDGETS 128 /* rows that meet in one share it */

/* A peer may cause a line with every few bytes: so their number has an end (B22). */
static bool may_say(const struct usher_instance *service)
{
    static struct log_budget budgets[BUDGETS];
    uintptr_t place = (uintptr_t)service;
    unsigned long left_out;
    bool is_good = log_spend(&budgets[(place / 64 ^ place / 64 / BUDGETS) % BUDGETS],
                             LINES, &left_out);

    if (left_out > 0)
        log_warning(service->name, "log left_out=%lu", left_out);
    return is_good;
}

/* The plugin's text may hold a peer's bytes. */
__attribute__((format(printf, 3, 0))) static void host_log(
    const struct usher_instance *service, enum usher_level level, const char *format,
    va_list args)
{
    static const enum log_level levels[] = {
        [USHER_ERROR] = LOG_ERROR_, [USHER_WARNING] = LOG_WARNING_,
        [USHER_INFO] = LOG_INFO_,   [USHER_DEBUG] = LOG_DEBUG_,
    };
    char text[LOG_LINE], line[LOG_LINE];

    if ((unsigned)level >= ARRAY_LEN(levels) || !log_wants(levels[level]) ||
        !may_say(service))
        return;
    vsnprintf(text, sizeof(text), format, args);
    log_escape(line, sizeof(line), text, strlen(text));
    switch (levels[level]) {
    case LOG_ERROR_:
        log_error(service->name, "%s", line);
        break;
    case LOG_WARNING_:
        log_warning(service->name, "%s", line);
        break;
    case LOG_INFO_:
        log_info(service->name, "%s", line);
        break;
    case LOG_DEBUG_:
        log_debug(service->name, "%s", line);
        break;
    }
}

const struct usher_host host_table = {
    .size = sizeof(host_table),
    .write = output_write,
    .room = output_room,
    .end = conn_end,
    .abort = conn_abort,
    .pause = conn_pause,
    .resume = conn_resume,
    .timer = tools_timer,
    .watch = tools_watch,
    .peer = conn_peer,
    .local = conn_local,
    .take = conn_take,
    .done = conn_done,
    .reply = request_reply,
    .log = host_log,
    .clock_ms = clock_ms,
    .hand_over = hand_over,
    .offered = hand_over_offered,
    .service_watch = service_tools_watch,
    .service_timer = service_tools_timer,
    .ticket = request_ticket,
    .answer = request_answer,
};
