/* URLs of upstreams and of users' own APIs: read strictly, because address policies are bypassed
 * when two readers of one URL disagree about its host. No honest API address needs what is refused
 * here (user info, backslashes, odd IPv4 forms, a dot at the end). Only the form is checked: the
 * egress policy decides what may be connected. */
#include "base/url.h"

#include <arpa/inet.h>

static int refuse(struct tt_err *err, const char *why)
{
    return tt_err_set(err, 400, "invalid_url", "invalid URL: %s", why);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool is_name_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

/* Numbers as a last label make resolvers read an address: 127.1, 0x7f.1, 2130706433. */
static bool is_numeric_label(struct tt_str label)
{
    bool hex = label.len >= 2 && label.data[0] == '0' && label.data[1] == 'x';
    for (size_t i = hex ? 2 : 0; i < label.len; i++)
        if (hex ? !is_hex(label.data[i]) : !is_digit(label.data[i]))
            return false;
    return true;
}

static int check_name(const char *host, struct tt_err *err)
{
    struct tt_str rest = tt_str_from(host), label;
    unsigned char address[4];
    if (rest.len > 253)
        return refuse(err, "the host is too long");
    while (tt_str_split(&rest, '.', &label)) {
        if (label.len == 0 || label.len > 63)
            return refuse(err, "empty or overlong part of the host");
        for (size_t i = 0; i < label.len; i++)
            if (!is_name_char(label.data[i]))
                return refuse(err, "odd character in the host");
    }
    if (is_numeric_label(label) && inet_pton(AF_INET, host, address) != 1)
        return refuse(err, "an IPv4 address is four decimal numbers");
    return 0;
}

static int take_host(struct tt_str host, bool bracketed, struct tt_url *out, struct tt_err *err)
{
    unsigned char address[16];
    if (host.len == 0)
        return refuse(err, "no host");
    if (host.len >= sizeof(out->host))
        return refuse(err, "the host is too long");
    for (size_t i = 0; i < host.len; i++) {
        char c = host.data[i];
        out->host[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    out->host[host.len] = '\0';
    if (!bracketed)
        return check_name(out->host, err);
    if (inet_pton(AF_INET6, out->host, address) != 1)
        return refuse(err, "no IPv6 address in the brackets");
    return 0;
}

static int take_port(struct tt_str text, struct tt_url *out, struct tt_err *err)
{
    uint64_t port;
    if (text.len == 0) {
        out->port = out->https ? 443 : 80;
        return 0;
    }
    text = tt_str_of(text.data + 1, text.len - 1);
    if (text.len > 5 || tt_str_to_u64(text, &port) < 0 || port == 0 || port > 65535)
        return refuse(err, "the port is a number from 1 to 65535");
    out->port = (uint16_t)port;
    return 0;
}

static int take_authority(struct tt_str text, struct tt_url *out, struct tt_err *err)
{
    struct tt_str host = text;
    bool bracketed = text.len > 0 && text.data[0] == '[';
    if (tt_str_find(text, '@') >= 0)
        return refuse(err, "user info is not allowed");
    ptrdiff_t at = tt_str_find(text, bracketed ? ']' : ':');
    if (bracketed) {
        if (at < 0)
            return refuse(err, "no closing bracket");
        host = tt_str_of(text.data + 1, (size_t)at - 1);
        at++;
    } else {
        at = at < 0 ? (ptrdiff_t)text.len : at;
        host.len = (size_t)at;
    }
    struct tt_str port = tt_str_of(text.data + at, text.len - (size_t)at);
    if (port.len > 0 && port.data[0] != ':')
        return refuse(err, "something between host and port");
    return take_host(host, bracketed, out, err) < 0 ? -1 : take_port(port, out, err);
}

int tt_url_parse(struct tt_str text, struct tt_url *out, struct tt_err *err)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= ' ' || c >= 0x7F || c == '\\')
            return refuse(err, "a blank, control byte, backslash or unencoded character");
        if (c == '#')
            return refuse(err, "a fragment is not allowed");
    }
    out->https = tt_str_starts_nocase(text, TT_STR("https://"));
    if (!out->https && !tt_str_starts_nocase(text, TT_STR("http://")))
        return refuse(err, "it must begin with https:// or http://");
    size_t skip = out->https ? 8 : 7;
    text = tt_str_of(text.data + skip, text.len - skip);
    size_t end = 0;
    while (end < text.len && text.data[end] != '/' && text.data[end] != '?')
        end++;
    if (end < text.len && text.data[end] == '?')
        return refuse(err, "a query needs a path before it");
    out->path = tt_str_of(text.data + end, text.len - end);
    return take_authority(tt_str_of(text.data, end), out, err);
}

static int hex_value(char c)
{
    return is_digit(c) ? c - '0' : is_hex(c) ? (c | 0x20) - 'a' + 10 : -1;
}

int tt_url_decode(struct tt_str s, bool form, struct tt_buf *out)
{
    size_t before = out->len;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (c == '+' && form) {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < s.len ? hex_value(s.data[i + 1]) : -1;
            int low = i + 2 < s.len ? hex_value(s.data[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0)
                goto fail;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (tt_buf_putc(out, c) < 0)
            goto fail;
    }
    return 0;
fail:
    tt_buf_truncate(out, before);
    return -1;
}

int tt_url_encode(struct tt_str s, struct tt_buf *out)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t before = out->len;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        char text[3] = {'%', hex[c >> 4], hex[c & 15]};
        bool plain = is_digit((char)c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
                     c == '.' || c == '_' || c == '~';
        if (tt_buf_append(out, plain ? (const char *)&c : text, plain ? 1 : 3) < 0) {
            tt_buf_truncate(out, before);
            return -1;
        }
    }
    return 0;
}
