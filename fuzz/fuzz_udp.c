/*
 * UDP admission: the first bytes are a row and a datagram, then the length of a reply. An
 * answer implies every rule of reliability.md A1 to A6 and A10, as this file reads them;
 * what breaks none of them is answered.
 */
#include <netinet/in.h>
#include <string.h>

#include "flow/udp.h"
#include "fuzz.h"
#include "oracle.h"

struct input {
    uint8_t flags, family;
    uint16_t port, own[3];
    uint8_t address[16];
    uint16_t asked, reply;
};

enum { CUT = 1, TO_MANY = 2, AMPLIFY = 4, LOW = 8, OFF = 16, IS_TCP = 32 };

static bool has(const struct input *in, int flag)
{
    return (in->flags & flag) != 0;
}

static struct usher_address inet(const struct input *in, uint16_t port)
{
    struct usher_address out = { .length = sizeof(struct sockaddr_in) };
    struct sockaddr_in *at = (struct sockaddr_in *)&out.storage;

    at->sin_family = AF_INET;
    at->sin_port = htons(port);
    memcpy(&at->sin_addr, in->address, sizeof(at->sin_addr));
    return out;
}

static struct usher_address inet6(const struct input *in)
{
    struct usher_address out = { .length = sizeof(struct sockaddr_in6) };
    struct sockaddr_in6 *at = (struct sockaddr_in6 *)&out.storage;

    at->sin6_family = AF_INET6;
    at->sin6_port = htons(in->port);
    memcpy(&at->sin6_addr, in->address, sizeof(at->sin6_addr));
    return out;
}

/* 0 and 1: the families; 2: a UNIX peer with a name; 3: one without. */
static struct usher_address peer_of(const struct input *in)
{
    struct usher_address out = { .length = 0 };

    if (in->family % 4 == 0)
        return inet(in, in->port);
    if (in->family % 4 == 1)
        return inet6(in);
    out.storage.ss_family = AF_UNIX;
    out.length = sizeof(sa_family_t) + (in->family % 4 == 2 ? 5 : 0);
    return out;
}

/* ---- the rules, once more
 * -------------------------------------------------------------- */

static bool is_zero(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* Broadcast, multicast, or no address at all: of IPv4, of IPv6, of IPv4 written as
 * IPv6. */
static bool is_of_many(const struct input *in)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *four = in->address;

    if (in->family % 4 == 1) {
        if (in->address[0] == 0xff || is_zero(in->address, 16))
            return true;
        if (memcmp(in->address, mapped, sizeof(mapped)) != 0)
            return false;
        four += sizeof(mapped);
    }
    return (four[0] >= 224 && four[0] <= 239) || is_zero(four, 4) ||
           (four[0] & four[1] & four[2] & four[3]) == 255;
}

static bool is_own(const struct input *in)
{
    for (int i = 0; i < 3; i++)
        if (in->own[i] == in->port && !has(in, OFF) && !(i == 2 && has(in, IS_TCP)))
            return true;
    return false;
}

static bool may_answer(const struct input *in)
{
    if (has(in, CUT) || in->family % 4 == 3)
        return false;
    if (in->family % 4 == 2)
        return true;
    return in->port != 0 && (in->port >= 1024 || has(in, LOW)) && !is_own(in) &&
           !has(in, TO_MANY) && !is_of_many(in) &&
           (has(in, AMPLIFY) || (in->asked > 0 && in->reply <= in->asked));
}

static void compare(const struct input *in)
{
    static struct udp udp;
    struct endpoint endpoints[3];
    struct plan_service service = {.enabled = !has(in, OFF),
                                   .endpoints = endpoints,
                                   .endpoint_count = 3,
                                   .amplify = has(in, AMPLIFY),
                                   .reply_from_low_ports = has(in, LOW)};
    struct plan plan = { .services = &service, .service_count = 1 };
    struct dgram request = {.count = in->asked,
                            .is_cut = has(in, CUT),
                            .to_many = has(in, TO_MANY),
                            .peer = peer_of(in)};
    enum udp_verdict verdict;

    for (int i = 0; i < 3; i++)
        endpoints[i] = (struct endpoint){.kind = i == 2 && has(in, IS_TCP) ? ENDPOINT_TCP
                                                                           : ENDPOINT_UDP,
                                         .addr = inet(in, in->own[i])};
    udp_init(&udp, &plan);
    verdict = udp_judge(&udp, &service, &request, in->reply);
    if ((verdict == UDP_ANSWER) != may_answer(in))
        fprintf(stderr, "%s\n", udp_verdict_name(verdict));
    must((verdict == UDP_ANSWER) == may_answer(in));
    must(udp_verdict_name(verdict)[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct input in = { .flags = 0 };

    memcpy(&in, bytes, count < sizeof(in) ? count : sizeof(in));
    compare(&in);
    return 0;
}
