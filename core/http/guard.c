/* What the library's parser accepts and this server refuses: Content-Length together with
 * Transfer-Encoding, several lengths, two Hosts, folded lines, bare LF, control bytes, NUL (which
 * cuts a line short), and targets of any form. Each of them can make two HTTP parsers in a row
 * disagree. The list of headers shows some of them. Folding, NUL and bare LF are no longer visible
 * there, so the raw head is read again where the library keeps it (library_memory.c). The sizes of
 * bodies are checked in exchange.c. */
#include "http/http_internal.h"
#include "http/library_memory.h"

#define REFUSE(walk, why)                                                                          \
    do {                                                                                           \
        if (!(walk)->reason)                                                                       \
            (walk)->reason = (why);                                                                \
    } while (0)

struct walk {
    struct tt_http_exchange *exchange;
    const char *reason; /* NULL: nothing wrong so far */
    size_t headers, bytes, cookies;
    size_t hosts, lengths, encodings, authorizations;
    struct tt_str length, encoding, host;
};

/* RFC 9110 5.6.2. A table, because every byte of every header name is looked up. */
static const bool token_byte[256] = {
    ['!'] = true,         ['#'] = true,         ['$'] = true, ['%'] = true, ['&'] = true,
    ['\''] = true,        ['*'] = true,         ['+'] = true, ['-'] = true, ['.'] = true,
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['^'] = true, ['_'] = true, ['`'] = true,
    ['a' ... 'z'] = true, ['|'] = true,         ['~'] = true};

bool tt_guard_is_token(struct tt_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!token_byte[(unsigned char)s.data[i]])
            return false;
    return s.len > 0;
}

bool tt_guard_is_value(struct tt_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* Longer names first: most headers are none of these, and one comparison of lengths excludes them.
 */
static void note_header(struct walk *walk, struct tt_str name, struct tt_str value)
{
    switch (name.len) {
    case 4:
        if (tt_str_eq_nocase(name, TT_STR("host"))) {
            walk->hosts++;
            walk->host = tt_str_trim(value);
        }
        break;
    case 6:
        if (tt_str_eq_nocase(name, TT_STR("cookie")))
            walk->cookies += value.len;
        break;
    case 13:
        if (tt_str_eq_nocase(name, TT_STR("authorization")))
            walk->authorizations++;
        break;
    case 14:
        if (tt_str_eq_nocase(name, TT_STR("content-length"))) {
            walk->lengths++;
            walk->length = tt_str_trim(value);
        }
        break;
    case 15:
        if (tt_str_eq_nocase(name, TT_STR("x-forwarded-for")))
            walk->exchange->forwarded_for = tt_str_trim(value);
        break;
    case 17:
        if (tt_str_eq_nocase(name, TT_STR("transfer-encoding"))) {
            walk->encodings++;
            walk->encoding = value;
        }
        break;
    default:
        break;
    }
}

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                 size_t name_len, const char *value, size_t value_len)
{
    struct walk *walk = arg;
    (void)kind;
    if (!tt_guard_is_token(tt_str_of(name, name_len)))
        REFUSE(walk, "bad_header_name");
    if (!tt_guard_is_value(tt_str_of(value, value_len)))
        REFUSE(walk, "bad_header_value");
    walk->headers++;
    walk->bytes += name_len + value_len;
    note_header(walk, tt_str_of(name, name_len), tt_str_of(value, value_len));
    return MHD_YES;
}

static bool host_is_valid(struct tt_str host)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.data[i];
        if (c <= 0x20 || c >= 0x7f || strchr("\"#/<>?@\\^`{|}", c))
            return false;
    }
    return true;
}

static bool target_is_valid(const struct tt_http_exchange *exchange)
{
    struct tt_str target = exchange->target;
    for (size_t i = 0; i < target.len; i++)
        if ((unsigned char)target.data[i] <= 0x20 || target.data[i] == 0x7f)
            return false;
    if (exchange->authority.data)
        return exchange->authority.len > 0 && host_is_valid(exchange->authority);
    if (tt_str_eq(target, TT_STR("*")))
        return tt_str_eq(exchange->method, TT_STR("OPTIONS"));
    return target.len > 0 && target.data[0] == '/';
}

static bool framing_is_valid(struct walk *walk)
{
    struct tt_http_exchange *exchange = walk->exchange;
    uint64_t length = 0;
    /* The encoding as it is, with blanks behind it: the library compares it so, and would wait for
     * a body without an end. */
    if (walk->encodings > 0) {
        exchange->chunked = true;
        return walk->encodings == 1 && walk->lengths == 0 && !exchange->http10 &&
               tt_str_eq_nocase(walk->encoding, TT_STR("chunked"));
    }
    if (walk->lengths == 0)
        return true;
    if (walk->lengths > 1 || tt_str_to_u64(walk->length, &length) != 0 || length > SIZE_MAX / 2)
        return false;
    exchange->content_length = (size_t)length;
    return true;
}

static bool raw_head_is_clean(const struct walk *walk, const char *method, const char *version)
{
    const struct tt_http_exchange *exchange = walk->exchange;
    const struct tt_library_head head = {.mhd = exchange->mhd,
                                         .method = method,
                                         .target = exchange->raw_target,
                                         .version = version,
                                         .method_len = exchange->method.len,
                                         .target_len = exchange->target.len,
                                         .headers = walk->headers};
    return tt_library_head_is_clean(&head);
}

int tt_guard_check(struct tt_http_exchange *exchange, const char *method, const char *version,
                   const char **code)
{
    struct walk walk = {.exchange = exchange};
    exchange->http10 = strcmp(version, "HTTP/1.0") == 0;
    MHD_get_connection_values_n(exchange->mhd, MHD_HEADER_KIND, on_header, &walk);
    if (!framing_is_valid(&walk))
        REFUSE(&walk, "bad_framing");
    if (walk.hosts > 1 || (walk.hosts == 0 && !exchange->http10) || !host_is_valid(walk.host))
        REFUSE(&walk, "bad_host");
    if (walk.authorizations > 1)
        REFUSE(&walk, "bad_authorization");
    if (!tt_guard_is_token(exchange->method) || !target_is_valid(exchange))
        REFUSE(&walk, "bad_target");
    if (!walk.reason && !raw_head_is_clean(&walk, method, version))
        REFUSE(&walk, "bad_head");
    if (walk.reason) {
        *code = "bad_request";
        return 400;
    }
    if (tt_library_head_size(exchange->mhd) > exchange->server->settings.head_max ||
        !tt_library_has_room(exchange->server->pool_size, exchange->target.len + walk.bytes,
                             walk.headers, walk.cookies)) {
        *code = "header_too_large";
        return 431;
    }
    return 0;
}
