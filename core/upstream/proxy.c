#include "upstream/proxy.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static int refuse(struct tt_err *err, const char *why)
{
    return tt_err_set(err, 400, "invalid_setting",
                      "expected http://[user:password@]host:port or socks5h://…: %s", why);
}

static int take_credential(struct tt_str text, char *out, size_t size, struct tt_err *err)
{
    struct tt_buf plain = {.max = size};
    int status = tt_url_decode(text, false, &plain);
    if (status != 0 || plain.len >= size || memchr(plain.data ? plain.data : "", '\0', plain.len)) {
        status = refuse(err, "a credential is too long, or its %-encoding is broken");
    } else if (plain.len > 0) {
        memcpy(out, plain.data, plain.len);
    }
    if (plain.data)
        explicit_bzero(plain.data, plain.len);
    tt_buf_free(&plain);
    return status;
}

static int take_credentials(struct tt_str text, struct tt_proxy *out, struct tt_err *err)
{
    ptrdiff_t colon = tt_str_find(text, ':');
    struct tt_str user = colon < 0 ? text : tt_str_of(text.data, (size_t)colon);
    struct tt_str password = {0};
    if (colon >= 0)
        password = tt_str_of(text.data + colon + 1, text.len - (size_t)colon - 1);
    if (take_credential(user, out->user, sizeof(out->user), err) != 0)
        return -1;
    return take_credential(password, out->password, sizeof(out->password), err);
}

/* Host and port in the form that URLs of upstreams have. */
static int take_address(struct tt_str text, struct tt_proxy *out, struct tt_err *err)
{
    char url[300];
    const char *after = memchr(text.data, ']', text.len); /* a colon in brackets is no port's */
    size_t from = after ? (size_t)(after - text.data) : 0;
    if (tt_str_find(tt_str_of(text.data + from, text.len - from), ':') < 0)
        return refuse(err, "it has no port");
    int len = snprintf(url, sizeof(url), "http://%.*s", TT_STR_ARG(text));
    if (len >= (int)sizeof(url) || tt_url_parse(tt_str_of(url, (size_t)len), &out->address, NULL) ||
        out->address.path.len > 0)
        return refuse(err, "host or port is wrong, or something follows them");
    out->address.path = (struct tt_str){0};
    bool v6 = strchr(out->address.host, ':') != NULL;
    snprintf(out->url, sizeof(out->url), "%s://%s%s%s:%u", out->socks ? "socks5h" : "http",
             v6 ? "[" : "", out->address.host, v6 ? "]" : "", out->address.port);
    return 0;
}

int tt_proxy_parse(struct tt_str text, struct tt_proxy *out, struct tt_err *err)
{
    static const char http[] = "http://", socks[] = "socks5h://";
    *out = (struct tt_proxy){.socks = tt_str_starts_nocase(text, TT_STR(socks))};
    if (!out->socks && !tt_str_starts_nocase(text, TT_STR(http)))
        return refuse(err, "another scheme (socks5:// would resolve names here)");
    size_t skip = out->socks ? sizeof(socks) - 1 : sizeof(http) - 1;
    text = tt_str_of(text.data + skip, text.len - skip);
    if (text.len > 0 && text.data[text.len - 1] == '/')
        text.len--;
    ptrdiff_t at = -1;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '@')
            at = (ptrdiff_t)i;
    if (at >= 0) {
        if (take_credentials(tt_str_of(text.data, (size_t)at), out, err) != 0)
            return -1;
        text = tt_str_of(text.data + at + 1, text.len - (size_t)at - 1);
    }
    return text.len > 0 ? take_address(text, out, err) : refuse(err, "no host");
}

struct tt_proxy *tt_proxy_new(struct tt_str text, struct tt_err *err)
{
    struct tt_proxy *proxy = TT_NEW(struct tt_proxy);
    if (tt_proxy_parse(text, proxy, err) == 0)
        return proxy;
    tt_proxy_free(proxy);
    return NULL;
}

void tt_proxy_free(struct tt_proxy *proxy)
{
    if (proxy)
        explicit_bzero(proxy, sizeof(*proxy));
    free(proxy);
}

int tt_proxy_check(struct tt_str text, struct tt_err *err)
{
    struct tt_proxy proxy;
    int status = text.len > 0 ? tt_proxy_parse(text, &proxy, err) : 0;
    explicit_bzero(&proxy, sizeof(proxy));
    return status;
}
