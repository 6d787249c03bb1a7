/* A separate reader: base/url is for upstreams and refuses user info and other schemes. Reserved
 * bytes in user, password and path are written with %XX. TLS and Sentinel are refused by name: the
 * packaged hiredis has neither. */
#include "cache/redis_url.h"

#include "base/mem.h"
#include "base/url.h"

#define PORT_DEFAULT 6379
#define DATABASE_MAX 65535

static int refuse(struct tt_err *err, const char *why)
{
    return tt_err_set(err, 0, "invalid_setting",
                      "%s; it needs the form redis://[[user]:password@]host[:port][/db] or "
                      "unix://[[user]:password@]/path[?db=number]",
                      why);
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
        return refuse(err,
                      "user or password is too long, or has a '%' that must be written as %25");
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

/* What cannot stand as it is in user or password ends the URL's first part too early, so that '@'
 * is found behind it. */
static int refuse_unencoded(struct tt_str rest, struct tt_err *err)
{
    static const struct {
        char byte;
        const char *why;
    } reserved[] = {
        {'/', "a '/' in the user or password must be written as %2F"},
        {'?', "a '?' in the user or password must be written as %3F"},
        {'#', "a '#' in the user or password must be written as %23"},
    };
    ptrdiff_t at = find_last(rest, '@');

    for (size_t i = 0; at >= 0 && i < TT_COUNT(reserved); i++)
        if (tt_str_find(tt_str_of(rest.data, (size_t)at), reserved[i].byte) >= 0)
            return refuse(err, reserved[i].why);
    return 0;
}

static int take_database(struct tt_str digits, struct tt_redis_url *out, struct tt_err *err)
{
    uint64_t database = 0;

    if (tt_str_to_u64(digits, &database) != 0 || database > DATABASE_MAX)
        return refuse(err, "a database that is no number");
    out->database = (int)database;
    return 0;
}

/* [user:password@] at the beginning of *authority, which loses it. */
static int cut_user_info(struct tt_str *authority, struct tt_redis_url *out, struct tt_err *err)
{
    ptrdiff_t at = find_last(*authority, '@');
    if (at >= 0 && take_user_info(tt_str_of(authority->data, (size_t)at), out, err) != 0)
        return -1;
    *authority = tt_str_of(authority->data + at + 1, authority->len - (size_t)(at + 1));
    return 0;
}

static int parse_tcp(struct tt_str rest, struct tt_redis_url *out, struct tt_err *err)
{
    if (refuse_unencoded(rest, err) != 0)
        return -1;
    if (tt_str_find(rest, '?') >= 0 || tt_str_find(rest, '#') >= 0)
        return refuse(err, "a query or fragment");
    ptrdiff_t slash = tt_str_find(rest, '/');
    struct tt_str authority = slash < 0 ? rest : tt_str_of(rest.data, (size_t)slash);
    if (slash >= 0 && (size_t)slash + 1 < rest.len &&
        take_database(tt_str_of(rest.data + slash + 1, rest.len - (size_t)slash - 1), out, err) !=
            0)
        return -1;
    if (cut_user_info(&authority, out, err) != 0)
        return -1;
    return take_host(authority, out, err);
}

static int parse_socket(struct tt_str rest, struct tt_redis_url *out, struct tt_err *err)
{
    const struct tt_str query = TT_STR("db=");
    ptrdiff_t mark = find_last(rest, '?');

    if (mark >= 0) {
        struct tt_str asked = tt_str_of(rest.data + mark + 1, rest.len - (size_t)mark - 1);
        if (!tt_str_starts(asked, query))
            return refuse(err, "a query that is not db=number");
        if (take_database(tt_str_of(asked.data + query.len, asked.len - query.len), out, err) != 0)
            return -1;
        rest.len = (size_t)mark;
    }
    ptrdiff_t slash = tt_str_find(rest, '/');
    ptrdiff_t at = find_last(rest, '@');
    if (slash < 0)
        return refuse(err, "no absolute path of a socket");
    if (at > slash && tt_str_find(tt_str_of(rest.data, (size_t)slash), ':') >= 0)
        return refuse(err, "a '/' in the user or password must be written as %2F");
    struct tt_str authority = tt_str_of(rest.data, (size_t)slash);
    if (cut_user_info(&authority, out, err) != 0)
        return -1;
    if (authority.len > 0)
        return refuse(err, "a host before the path of a socket");
    if (take_part(tt_str_of(rest.data + slash, rest.len - (size_t)slash), out->path,
                  sizeof(out->path)) != 0)
        return refuse(err, "a path of a socket that is longer than 107 bytes or has a broken % "
                           "escape");
    return 0;
}

int tt_redis_url_parse(struct tt_str text, struct tt_redis_url *out, struct tt_err *err)
{
    const struct tt_str tcp = TT_STR("redis://"), unix_socket = TT_STR("unix://");

    memset(out, 0, sizeof(*out));
    if (tt_str_starts(text, tcp))
        return parse_tcp(tt_str_of(text.data + tcp.len, text.len - tcp.len), out, err);
    if (tt_str_starts(text, unix_socket))
        return parse_socket(tt_str_of(text.data + unix_socket.len, text.len - unix_socket.len), out,
                            err);
    if (tt_str_starts(text, TT_STR("rediss://")))
        return refuse(err, "TLS (rediss://) is not supported: run a TLS proxy on this machine, "
                           "such as stunnel, and name it as redis://127.0.0.1:port");
    if (tt_str_starts(text, TT_STR("redis+sentinel://")) ||
        tt_str_starts(text, TT_STR("redis-sentinel://")) ||
        tt_str_starts(text, TT_STR("sentinel://")))
        return refuse(err, "Sentinel is not supported: run a proxy on this machine that follows "
                           "the primary, such as HAProxy, and name it as redis://127.0.0.1:port");
    return refuse(err, "a scheme other than redis and unix");
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
