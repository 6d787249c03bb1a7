#include "app/settings/settings_check.h"

#include "base/url.h"
#include "db/db.h"
#include "files/s3.h"

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

int tt_settings_check_files_url(struct tt_str value, struct tt_err *err)
{
    static const struct tt_str bucket = TT_STR("s3://"), folder = TT_STR("file:");

    if (value.len == 0 || (tt_str_starts(value, folder) && value.len > folder.len))
        return 0;
    if (tt_str_starts(value, bucket) &&
        tt_s3_bucket_valid(tt_str_of(value.data + bucket.len, value.len - bucket.len)))
        return 0;
    return tt_err_set(
        err, 0, "invalid_setting",
        "needs s3://<bucket>, s3://<bucket>/<folder> or file:<path>; names of buckets "
        "and folders have letters, digits, '.', '-' and '_'");
}

int tt_settings_check_endpoint(struct tt_str value, struct tt_err *err)
{
    struct tt_url url;

    if (value.len == 0 || (tt_url_parse(value, &url, NULL) == 0 && url.path.len == 0))
        return 0;
    return tt_err_set(err, 0, "invalid_setting",
                      "needs https://<host>[:port] or http://<host>[:port], without a path");
}

int tt_settings_check_region(struct tt_str value, struct tt_err *err)
{
    bool good = value.len > 0 && value.len < 64;

    for (size_t i = 0; good && i < value.len; i++)
        good = isalnum((unsigned char)value.data[i]) || value.data[i] == '-';
    return good ? 0 : tt_err_set(err, 0, "invalid_setting", "needs a name such as eu-central-1");
}

int tt_settings_check_encryption(struct tt_str value, struct tt_err *err)
{
    if (value.len == 0 || tt_str_eq(value, TT_STR("AES256")) || tt_str_eq(value, TT_STR("aws:kms")))
        return 0;
    return tt_err_set(err, 0, "invalid_setting", "needs AES256 or aws:kms");
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
