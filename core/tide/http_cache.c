/* See http_cache.h. An entry is "STATUS FRESH_UNTIL_MS HEADER_BYTES\n", the headers, the body. Only
 * whole answers with 200 are kept; how long is only what Cache-Control says, otherwise each use is
 * confirmed (ETag, Last-Modified). */
#include "tide/http_cache.h"

#include "base/clock.h"
#include "base/secret.h"
#include "tide/llm_start.h"

#include <inttypes.h>
#include <stdio.h>

#define BODY_MAX  ((size_t)1 << 20)
#define KEEP_S    86400 /* for being confirmed */
#define MAX_AGE_S ((int64_t)365 * 86400)
#define LINES_MAX (TT_TIDE_LLM_HEADERS_MAX + 2)

static const struct tt_str dict = {"http.cache", 10};

static int64_t wall_ms(void)
{
    return tt_clock_wall_us() / 1000;
}

void tt_tide_http_cache_key(const struct tt_tide_http *http, char out[static TT_TIDE_HTTP_KEY_SIZE])
{
    struct tt_str lines[LINES_MAX];
    struct tt_buf text = {0};
    size_t count = tt_call_headers_lines(http->prepared, lines, LINES_MAX);

    tt_buf_append_z(&text, http->request.url);
    for (size_t i = 0; i < count; i++) {
        tt_buf_putc(&text, '\n');
        tt_buf_append_str(&text, lines[i]);
    }
    tt_sha256_hex(tt_buf_str(&text), out);
    explicit_bzero(text.data, text.len); /* it may have a key */
    tt_buf_free(&text);
}

/* ---- entries ---- */

static bool read_entry(struct tt_str entry, struct tt_tide_http_cached *out)
{
    struct tt_str rest = entry, line, part;
    int64_t numbers[3];

    if (!tt_str_split(&rest, '\n', &line) || !rest.data)
        return false;
    for (int i = 0; i < 3; i++)
        if (!tt_str_split(&line, ' ', &part) || tt_str_to_i64(part, &numbers[i]) != 0)
            return false;
    if (numbers[2] < 0 || (uint64_t)numbers[2] > rest.len ||
        (numbers[2] > 0 && rest.data[numbers[2] - 1] != '\0'))
        return false;
    out->status = (int)numbers[0];
    out->fresh_until_ms = numbers[1];
    tt_buf_append(&out->headers, rest.data, (size_t)numbers[2]);
    out->body = tt_str_of(rest.data + numbers[2], rest.len - (size_t)numbers[2]);
    return true;
}

bool tt_tide_http_cache_get(struct tt_shared *shared, const char *key,
                            struct tt_tide_http_cached *out)
{
    const struct tt_shared_key where = {dict, tt_str_from(key)};
    struct tt_shared_value value = {0};

    *out = (struct tt_tide_http_cached){0};
    if (!tt_shared_get(shared, &where, &value))
        return false;
    out->held = value.held;
    return !value.is_integer && read_entry(value.text, out);
}

void tt_tide_http_cached_free(struct tt_tide_http_cached *cached)
{
    tt_cache_value_unref(cached->held);
    tt_buf_free(&cached->headers);
    *cached = (struct tt_tide_http_cached){0};
}

/* ---- what may be kept ---- */

/* Looks for a directive in all headers of this name. value may be NULL. */
static bool find_directive(const struct tt_buf *headers, const char *header, struct tt_str name,
                           struct tt_str *value)
{
    const char *at = headers->data, *end = headers->data + headers->len;

    while (at < end) {
        const char *text = at + strlen(at) + 1;
        struct tt_str rest = tt_str_from(text), item, key;
        while (strcmp(at, header) == 0 && tt_str_split(&rest, ',', &item)) {
            item = tt_str_trim(item);
            if (!tt_str_split(&item, '=', &key) || !tt_str_eq_nocase(tt_str_trim(key), name))
                continue;
            if (value)
                *value = item;
            return true;
        }
        at = text + strlen(text) + 1;
    }
    return false;
}

static int64_t seconds_of(struct tt_str text)
{
    uint64_t seconds;
    text = tt_str_trim(text);
    if (text.len >= 2 && text.data[0] == '"') /* some do that */
        text = tt_str_of(text.data + 1, text.len - 2);
    if (!text.data || tt_str_to_u64(text, &seconds) != 0)
        return 0;
    return seconds > (uint64_t)MAX_AGE_S ? MAX_AGE_S : (int64_t)seconds;
}

static int64_t fresh_s(const struct tt_buf *headers)
{
    struct tt_str age = {NULL, 0};

    if (find_directive(headers, "cache-control", TT_STR("no-cache"), NULL) ||
        !find_directive(headers, "cache-control", TT_STR("max-age"), &age))
        return 0;
    int64_t left = seconds_of(age) - seconds_of(tt_tide_http_header(headers, "age"));
    return left > 0 ? left : 0;
}

void tt_tide_http_cache_put(struct tt_shared *shared, const char *key, int status,
                            const struct tt_buf *headers, struct tt_str body,
                            const struct tt_buf *news)
{
    const struct tt_shared_key where = {dict, tt_str_from(key)};
    struct tt_buf entry = {0};
    int64_t fresh = fresh_s(news);
    bool confirmable = tt_tide_http_header(headers, "etag").data ||
                       tt_tide_http_header(headers, "last-modified").data;

    if (status != 200 || body.len > BODY_MAX || (fresh == 0 && !confirmable) ||
        find_directive(news, "cache-control", TT_STR("no-store"), NULL) ||
        find_directive(headers, "vary", TT_STR("*"), NULL) ||
        tt_tide_http_header(headers, "set-cookie").data) {
        tt_shared_delete(shared, &where);
        return;
    }
    tt_buf_printf(&entry, "%d %" PRId64 " %zu\n", status, wall_ms() + fresh * 1000, headers->len);
    tt_buf_append_str(&entry, tt_buf_str(headers));
    tt_buf_append_str(&entry, body);
    struct tt_shared_value value = {.text = tt_buf_str(&entry)};
    int64_t keep = confirmable && fresh < KEEP_S ? KEEP_S : fresh;
    tt_shared_set(shared, &where, &value, (uint64_t)keep * 1000, NULL);
    tt_buf_free(&entry);
}

struct tt_call_headers *tt_tide_http_conditions(const struct tt_call_headers *headers,
                                                const struct tt_tide_http_cached *cached)
{
    struct tt_str lines[LINES_MAX], etag = tt_tide_http_header(&cached->headers, "etag");
    struct tt_str changed = tt_tide_http_header(&cached->headers, "last-modified");
    struct tt_buf etag_line = {0}, changed_line = {0};
    size_t count = tt_call_headers_lines(headers, lines, TT_TIDE_LLM_HEADERS_MAX);
    struct tt_call_headers *result = NULL;

    if (etag.data) {
        tt_buf_printf(&etag_line, "If-None-Match: %.*s", TT_STR_ARG(etag));
        lines[count++] = tt_buf_str(&etag_line);
    }
    if (changed.data) {
        tt_buf_printf(&changed_line, "If-Modified-Since: %.*s", TT_STR_ARG(changed));
        lines[count++] = tt_buf_str(&changed_line);
    }
    if (etag.data || changed.data)
        result = tt_call_headers_new(lines, count, NULL);
    tt_buf_free(&etag_line);
    tt_buf_free(&changed_line);
    return result;
}
