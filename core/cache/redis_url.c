/* A separate reader: base/url is for upstreams and refuses user info and other schemes. Reserved
 * bytes in user and password are written with %XX. TLS (rediss://) and sockets are not supported.
 */
#include "cache/redis_url.h"

#include "base/url.h"

#define PORT_DEFAULT 6379
#define DATABASE_MAX 65535

static int refuse(struct tt_err *err, const char *why)
{
    return tt_err_set(err, 0, "invalid_setting",
                      "%s; it needs the form redis://[[user]:password@]host[:port][/db]", why);
}

/* Position of the last `byte`, or -1. */
static ptrdiff_t find_last(struct tt_str s, char byte)
{
    for (size_t i = s.len; i > 0; i--)
        if (s.data[i - 1] == byte)
            return (ptrdiff_t)i - 1;
    return -1;
}

static int take_part(struct tt_str text, char *out, size_t size)
{
    struct tt_buf buf = {.max = size - 1};
    int rc = tt_url_decode(text, false, &buf);
    if (rc == 0 && buf.len)
        memcpy(out, buf.data, buf.len);
    if (buf.data)
        explicit_bzero(buf.data, buf.len);
    tt_buf_free(&buf);
    return rc;
}

static int take_user_info(struct tt_str text, struct tt_redis_url *out, struct tt_err *err)
{
    ptrdiff_t colon = tt_str_find(text, ':');
    if (colon < 0)
        return refuse(err, "user info without a colon");
    struct tt_str user = tt_str_of(text.data, (size_t)colon);
    struct tt_str password = tt_str_of(text.data + colon + 1, text.len - (size_t)colon - 1);
    if (password.len == 0)
        return refuse(err, "an empty password");
    if (take_part(user, out->user, sizeof(out->user)) != 0 ||
        take_part(password, out->password, sizeof(out->password)) != 0)
        return refuse(err, "user or password is too long or has a broken % escape");
    return 0;
}

static int take_host(struct tt_str text, struct tt_redis_url *out, struct tt_err *err)
{
    struct tt_str host = text, port = TT_STR("");
    bool bracketed = text.len > 0 && text.data[0] == '[';
    ptrdiff_t end = bracketed ? tt_str_find(text, ']') : find_last(text, ':');
    uint64_t number = PORT_DEFAULT;
    if (bracketed) {
        if (end < 0)
            return refuse(err, "a bracket without its end");
        host = tt_str_of(text.data + 1, (size_t)end - 1);
        port = tt_str_of(text.data + end + 1, text.len - (size_t)end - 1);
        if (port.len && port.data[0] != ':')
            return refuse(err, "something behind the bracket");
    } else if (end >= 0) {
        host.len = (size_t)end;
        port = tt_str_of(text.data + end, text.len - (size_t)end);
    }
    if (host.len == 0 || host.len >= sizeof(out->host))
        return refuse(err, "no host, or one that is too long");
    for (size_t i = 0; i < host.len; i++)
        if ((unsigned char)host.data[i] <= ' ' || host.data[i] == 0x7F ||
            (!bracketed && host.data[i] == ':'))
            return refuse(err, "odd character in the host");
    if (port.len && (tt_str_to_u64(tt_str_of(port.data + 1, port.len - 1), &number) != 0 ||
                     number == 0 || number > 65535))
        return refuse(err, "a port that is no number from 1 to 65535");
    memcpy(out->host, host.data, host.len);
    out->port = (uint16_t)number;
    return 0;
}

int tt_redis_url_parse(struct tt_str text, struct tt_redis_url *out, struct tt_err *err)
{
    const struct tt_str scheme = TT_STR("redis://");
    uint64_t database = 0;
    memset(out, 0, sizeof(*out));
    if (!tt_str_starts(text, scheme))
        return refuse(err, "another scheme than redis");
    struct tt_str rest = tt_str_of(text.data + scheme.len, text.len - scheme.len);
    if (tt_str_find(rest, '?') >= 0 || tt_str_find(rest, '#') >= 0)
        return refuse(err, "a query or fragment");
    ptrdiff_t slash = tt_str_find(rest, '/');
    struct tt_str authority = slash < 0 ? rest : tt_str_of(rest.data, (size_t)slash);
    if (slash >= 0 && (size_t)slash + 1 < rest.len) {
        struct tt_str digits = tt_str_of(rest.data + slash + 1, rest.len - (size_t)slash - 1);
        if (tt_str_to_u64(digits, &database) != 0 || database > DATABASE_MAX)
            return refuse(err, "a database that is no number");
    }
    out->database = (int)database;
    ptrdiff_t at = find_last(authority, '@');
    if (at >= 0 && take_user_info(tt_str_of(authority.data, (size_t)at), out, err) != 0)
        return -1;
    struct tt_str host = tt_str_of(authority.data + at + 1, authority.len - (size_t)(at + 1));
    return take_host(host, out, err);
}

int tt_redis_url_check(struct tt_str text, struct tt_err *err)
{
    struct tt_redis_url url;
    if (text.len == 0)
        return 0;
    int rc = tt_redis_url_parse(text, &url, err);
    explicit_bzero(&url, sizeof(url));
    return rc;
}
