/* A handler's view of its request. Headers are read in the library's memory, which leaves trailing
 * blanks on values; they are trimmed here. Cookies are parsed here, because the library's parser
 * looks at one Cookie header only. */
#include "base/url.h"
#include "http/http_internal.h"

struct tt_str tt_http_method(const struct tt_http_exchange *exchange)
{
    return exchange->method;
}

struct tt_str tt_http_path(const struct tt_http_exchange *exchange)
{
    return exchange->path;
}

struct tt_str tt_http_query(const struct tt_http_exchange *exchange)
{
    return exchange->query;
}

void tt_http_drop_body(struct tt_http_exchange *exchange)
{
    tt_buf_free(&exchange->body);
}

struct tt_str tt_http_body(const struct tt_http_exchange *exchange)
{
    return tt_buf_str(&exchange->body);
}

struct tt_str tt_http_request_id(const struct tt_http_exchange *exchange)
{
    return tt_str_of(exchange->id, sizeof(exchange->id) - 1);
}

struct tt_arena *tt_http_arena(struct tt_http_exchange *exchange)
{
    return &exchange->arena;
}

void tt_http_set_user(struct tt_http_exchange *exchange, void *user)
{
    exchange->user = user;
}

void *tt_http_user(const struct tt_http_exchange *exchange)
{
    return exchange->user;
}

struct tt_str tt_http_header(struct tt_http_exchange *exchange, const char *name)
{
    const char *value = NULL;
    size_t len = 0;
    if (exchange->authority.data && strcasecmp(name, "Host") == 0)
        return exchange->authority;
    if (MHD_lookup_connection_value_n(exchange->mhd, MHD_HEADER_KIND, name, strlen(name), &value,
                                      &len) != MHD_YES)
        return (struct tt_str){0};
    struct tt_str trimmed = tt_str_trim(tt_str_of(value ? value : "", len));
    return trimmed.data ? trimmed : TT_STR("");
}

struct header_walk {
    void (*each)(void *arg, struct tt_str name, struct tt_str value);
    void *arg;
};

static enum MHD_Result walk_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                   size_t name_len, const char *text, size_t text_len)
{
    struct header_walk *walk = arg;
    (void)kind;
    walk->each(walk->arg, tt_str_of(name, name_len),
               tt_str_trim(tt_str_of(text ? text : "", text_len)));
    return MHD_YES;
}

void tt_http_each_header(struct tt_http_exchange *exchange,
                         void (*each)(void *arg, struct tt_str name, struct tt_str value),
                         void *arg)
{
    struct header_walk walk = {each, arg};
    MHD_get_connection_values_n(exchange->mhd, MHD_HEADER_KIND, walk_header, &walk);
}

void tt_http_set_sender(struct tt_http_exchange *exchange, struct tt_str remote,
                        struct tt_str request_id)
{
    exchange->remote = tt_arena_str(&exchange->arena, remote);
    if (request_id.len == sizeof(exchange->id) - 1)
        memcpy(exchange->id, request_id.data, request_id.len);
}

struct cookie {
    struct tt_str name;
    struct tt_str value;
};

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                 size_t name_len, const char *text, size_t text_len)
{
    struct cookie *cookie = arg;
    struct tt_str pair, value = tt_str_of(text ? text : "", text_len);
    (void)kind;
    if (!tt_str_eq_nocase(tt_str_of(name, name_len), TT_STR("cookie")))
        return MHD_YES;
    while (!cookie->value.data && tt_str_split(&value, ';', &pair)) {
        ptrdiff_t equals = tt_str_find(pair, '=');
        if (equals < 0)
            continue;
        if (!tt_str_eq(tt_str_trim(tt_str_of(pair.data, (size_t)equals)), cookie->name))
            continue;
        cookie->value =
            tt_str_trim(tt_str_of(pair.data + equals + 1, pair.len - (size_t)equals - 1));
        if (cookie->value.len >= 2 && cookie->value.data[0] == '"' &&
            cookie->value.data[cookie->value.len - 1] == '"')
            cookie->value = tt_str_of(cookie->value.data + 1, cookie->value.len - 2);
    }
    return cookie->value.data ? MHD_NO : MHD_YES;
}

struct tt_str tt_http_cookie(struct tt_http_exchange *exchange, const char *name)
{
    struct cookie cookie = {.name = tt_str_from(name)};
    MHD_get_connection_values_n(exchange->mhd, MHD_HEADER_KIND, on_header, &cookie);
    return cookie.value;
}

struct tt_str tt_http_query_arg(struct tt_http_exchange *exchange, const char *name)
{
    struct tt_str rest = exchange->query, pair, wanted = tt_str_from(name);
    struct tt_buf out = {.max = 64 * 1024};
    struct tt_str found = {0};
    while (!found.data && rest.data && tt_str_split(&rest, '&', &pair)) {
        ptrdiff_t equals = tt_str_find(pair, '=');
        struct tt_str key = equals < 0 ? pair : tt_str_of(pair.data, (size_t)equals);
        struct tt_str value =
            equals < 0 ? TT_STR("")
                       : tt_str_of(pair.data + equals + 1, pair.len - (size_t)equals - 1);
        tt_buf_clear(&out);
        if (tt_url_decode(key, true, &out) != 0 || !tt_str_eq(tt_buf_str(&out), wanted))
            continue;
        tt_buf_clear(&out);
        if (tt_url_decode(value, true, &out) != 0)
            break;
        found = tt_arena_str(&exchange->arena, tt_str_of(out.data ? out.data : "", out.len));
    }
    tt_buf_free(&out);
    return found;
}
