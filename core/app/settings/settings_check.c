#include "app/settings/settings_check.h"

#include "db/db.h"

#include <ctype.h>

#define NODE_NAME_MAX 127

int tt_settings_check_address(struct tt_str value, struct tt_err *err)
{
    ptrdiff_t colon = -1;
    uint64_t port;

    if (tt_str_starts(value, TT_STR("unix:")))
        return value.len > 5 ? 0 : tt_err_set(err, 0, "invalid_setting", "unix: needs a path");
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] == ':')
            colon = (ptrdiff_t)i;
    struct tt_str digits = tt_str_of(value.data + colon + 1, value.len - (size_t)(colon + 1));
    if (colon <= 0 || tt_str_to_u64(digits, &port) != 0 || port > 65535)
        return tt_err_set(err, 0, "invalid_setting",
                          "needs host:port, such as 127.0.0.1:8080 or [::1]:8080");
    return 0;
}

int tt_settings_check_node_address(struct tt_str value, struct tt_err *err)
{
    if (value.len > NODE_NAME_MAX)
        return tt_err_set(err, 0, "invalid_setting", "longer than %d bytes", NODE_NAME_MAX);
    if (tt_str_starts(value, TT_STR("unix:")))
        return tt_err_set(err, 0, "invalid_setting", "needs host:port: other machines reach it");
    return value.len == 0 ? 0 : tt_settings_check_address(value, err);
}

int tt_settings_check_node_name(struct tt_str value, struct tt_err *err)
{
    return value.len <= NODE_NAME_MAX
               ? 0
               : tt_err_set(err, 0, "invalid_setting", "longer than %d bytes", NODE_NAME_MAX);
}

int tt_settings_check_database(struct tt_str value, struct tt_err *err)
{
    return value.len == 0 ? 0 : tt_db_check_url(value, err);
}

/* The part after the scheme; "" if it is not an address. */
static struct tt_str after_scheme(struct tt_str value)
{
    size_t scheme = tt_str_starts(value, TT_STR("https://"))  ? 8
                    : tt_str_starts(value, TT_STR("http://")) ? 7
                                                              : value.len;
    return tt_str_of(value.data + scheme, value.len - scheme);
}

/* A path segment that browsers do not change; they remove "." and "..". */
static bool is_plain_segment(struct tt_str segment)
{
    for (size_t i = 0; i < segment.len; i++)
        if (!isalnum((unsigned char)segment.data[i]) && !strchr("-_.~", segment.data[i]))
            return false;
    return segment.len > 0 && !tt_str_eq(segment, TT_STR(".")) && !tt_str_eq(segment, TT_STR(".."));
}

/* With such a first segment, the page's address could not be distinguished from one below it. */
static bool is_own_root(struct tt_str segment)
{
    static const char *const roots[] = {"api",    "v1",    "admin", "assets",       "livez",
                                        "readyz", "share", "docs",  "openapi.json", "llms.txt"};

    for (size_t i = 0; i < TT_COUNT(roots); i++)
        if (tt_str_eq(segment, tt_str_from(roots[i])))
            return true;
    return false;
}

int tt_settings_check_public_url(struct tt_str value, struct tt_err *err)
{
    struct tt_str rest = after_scheme(value), host = {0}, segment;
    bool good = tt_str_split(&rest, '/', &host) && host.len > 0;

    if (value.len == 0)
        return 0;
    for (bool first = true; good && rest.data && rest.len > 0; first = false) {
        tt_str_split(&rest, '/', &segment);
        if (first && is_own_root(segment))
            return tt_err_set(err, 0, "invalid_setting",
                              "the path may not begin with /%.*s: the server has addresses of its "
                              "own there",
                              TT_STR_ARG(segment));
        good = is_plain_segment(segment);
    }
    return good ? 0
                : tt_err_set(err, 0, "invalid_setting",
                             "needs scheme://host[:port], maybe with a path of letters, digits, "
                             "-, _, . and ~, such as https://example.org/chat/");
}
