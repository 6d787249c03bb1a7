#include "http/origin.h"

#include <string.h>

#define ANY_LABEL "*."

/* The rest after "scheme://"; data == NULL when there is no such beginning. */
static struct tt_str after_scheme(struct tt_str origin, struct tt_str *scheme)
{
    size_t len = 0;

    while (len < origin.len && (memchr("+-.", origin.data[len], 3) ||
                                (origin.data[len] >= '0' && origin.data[len] <= '9') ||
                                (origin.data[len] >= 'a' && origin.data[len] <= 'z')))
        len++;
    struct tt_str rest = tt_str_of(origin.data + len, origin.len - len);
    *scheme = tt_str_of(origin.data, len);
    if (len == 0 || origin.data[0] < 'a' || !tt_str_starts(rest, TT_STR("://")))
        return (struct tt_str){0};
    return tt_str_of(rest.data + 3, rest.len - 3);
}

static bool is_label_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
           byte == '_';
}

/* host[:port]; an IPv6 address stands in brackets. */
static bool is_authority(struct tt_str authority)
{
    struct tt_str host, digits;
    uint64_t port;

    if (tt_str_starts(authority, TT_STR("["))) {
        ptrdiff_t end = tt_str_find(authority, ']');
        struct tt_str rest;

        if (end < 3)
            return false;
        host = TT_STR("ipv6");
        rest = tt_str_of(authority.data + end + 1, authority.len - (size_t)end - 1);
        if (rest.len > 0 && rest.data[0] != ':')
            return false;
        digits = rest.len > 0 ? tt_str_of(rest.data + 1, rest.len - 1) : (struct tt_str){0};
    } else {
        ptrdiff_t colon = tt_str_find(authority, ':');
        host = colon < 0 ? authority : tt_str_of(authority.data, (size_t)colon);
        digits = colon < 0 ? (struct tt_str){0}
                           : tt_str_of(host.data + host.len + 1, authority.len - host.len - 1);
    }
    for (size_t i = 0; i < host.len; i++)
        if (!is_label_byte(host.data[i]) && host.data[i] != '.')
            return false;
    return host.len > 0 && (!digits.data || (tt_str_to_u64(digits, &port) == 0 && port <= 65535));
}

/* Browsers leave the default port out. */
static bool has_default_port(struct tt_str scheme, struct tt_str authority)
{
    return (tt_str_eq(scheme, TT_STR("https")) && tt_str_ends(authority, TT_STR(":443"))) ||
           (tt_str_eq(scheme, TT_STR("http")) && tt_str_ends(authority, TT_STR(":80")));
}

int tt_http_origin_check(struct tt_str listed, struct tt_err *err)
{
    struct tt_str scheme, authority = after_scheme(listed, &scheme);
    bool any = authority.data && tt_str_starts(authority, TT_STR(ANY_LABEL));

    if (any)
        authority = tt_str_of(authority.data + 2, authority.len - 2);
    if (any && (tt_str_find(authority, '.') < 0 || authority.data[0] == '['))
        return tt_err_set(err, 0, "invalid_setting",
                          "'*.' needs a domain of at least two labels after it, such as "
                          "https://*.example.org");
    if (!authority.data || !is_authority(authority))
        return tt_err_set(err, 0, "invalid_setting",
                          "needs scheme://host[:port] in lower case and without a path, such as "
                          "https://chat.example.org, tauri://localhost or https://*.example.org "
                          "('*' only as the whole first label)");
    if (has_default_port(scheme, authority))
        return tt_err_set(
            err, 0, "invalid_setting",
            "browsers leave the default port out of an origin: leave it out here too");
    return 0;
}

bool tt_http_origin_matches(struct tt_str listed, struct tt_str origin)
{
    struct tt_str scheme, rest = after_scheme(listed, &scheme);
    size_t before = listed.len - rest.len; /* "scheme://" */

    if (!tt_str_starts(rest, TT_STR(ANY_LABEL)))
        return tt_str_eq(listed, origin);
    struct tt_str domain = tt_str_of(rest.data + 1, rest.len - 1); /* with its dot */
    if (origin.len <= before + domain.len || memcmp(origin.data, listed.data, before) != 0 ||
        !tt_str_ends(origin, domain))
        return false;
    for (size_t i = before; i < origin.len - domain.len; i++)
        if (!is_label_byte(origin.data[i]))
            return false;
    return true;
}
