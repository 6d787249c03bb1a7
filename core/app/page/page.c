/* A file has up to three forms: plain, gzip, brotli. The request's head decides which is sent, and
 * whether all of it, a part, or nothing new; the bytes are always those in the program. Each form
 * has its own entity tag, because their bytes differ. */
#include "app/page/page.h"

#include "app/page/page_files.h"
#include "serve/answer.h"
#include "serve/dispatch.h"

#include <stdlib.h>

/* What the page may load and do. Its texts are added to the document as nodes, never as HTML, so no
 * text is a trusted type. */
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "        \
    "connect-src 'self'; font-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; " \
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

/* An image from another host is shown in a document of its own, inside the page: without an origin,
 * so it is nobody's to the server, and with nothing else that it may load. */
#define IMAGE_FRAME "assets/image_frame-"
#define IMAGE_FRAME_POLICY                                                                         \
    "default-src 'none'; script-src 'self'; img-src https:; base-uri 'none'; form-action 'none'; " \
    "frame-ancestors 'self'; sandbox allow-scripts; require-trusted-types-for 'script'; "          \
    "trusted-types 'none'"

/* Replaced in 404.html, which is shown at any path, by the address of the page. */
#define BASE_MARK "{base}"

struct form {
    struct tt_str body;
    enum tt_http_encoding encoding;
    char etag[48];
};

/* ---- files ---- */

static int compare_name(const void *key, const void *row)
{
    const struct tt_str *name = key;
    const char *other = ((const struct tt_page_file *)row)->name;
    size_t len = strlen(other);
    int order = memcmp(name->data, other, name->len < len ? name->len : len);

    return order ? order : (name->len > len) - (name->len < len);
}

static const struct tt_page_file *find_file(struct tt_str name)
{
    return bsearch(&name, tt_page_files, tt_page_file_count, sizeof(*tt_page_files), compare_name);
}

static struct tt_str bytes_of(const struct tt_page_file *file, enum tt_http_encoding encoding)
{
    return tt_str_of(file->bytes[encoding].begin,
                     (size_t)(file->bytes[encoding].end - file->bytes[encoding].begin));
}

static struct tt_str type_of(const struct tt_page_file *file)
{
    static const struct {
        struct tt_str extension, type;
    } types[] = {
        {{".html", 5}, {"text/html; charset=utf-8", 24}},
        {{".js", 3}, {"text/javascript; charset=utf-8", 30}},
        {{".css", 4}, {"text/css; charset=utf-8", 23}},
        {{".txt", 4}, {"text/plain; charset=utf-8", 25}},
        {{".svg", 4}, {"image/svg+xml", 13}},
        {{".png", 4}, {"image/png", 9}},
        {{".json", 5}, {"application/json", 16}},
        {{".webmanifest", 12}, {"application/manifest+json", 25}},
        {{".woff2", 6}, {"font/woff2", 10}},
    };

    for (size_t i = 0; i < TT_COUNT(types); i++)
        if (tt_str_ends(tt_str_from(file->name), types[i].extension))
            return types[i].type;
    return TT_STR("application/octet-stream");
}

/* ---- answers ---- */

/* The form that the client prefers among those that are smaller than the file. */
static void choose_form(const struct tt_page_file *file, struct tt_http_exchange *exchange,
                        struct form *form)
{
    static const char *const suffixes[TT_HTTP_ENCODINGS] = {"", "-gzip", "-br"};
    size_t plain = bytes_of(file, TT_HTTP_IDENTITY).len;
    unsigned available = 0;

    for (int encoding = 0; encoding < TT_HTTP_ENCODINGS; encoding++)
        if (encoding == TT_HTTP_IDENTITY || bytes_of(file, encoding).len < plain)
            available |= 1u << encoding;
    form->encoding =
        tt_http_choose_encoding(tt_http_header(exchange, "Accept-Encoding"), available);
    form->body = bytes_of(file, form->encoding);
    snprintf(form->etag, sizeof(form->etag), "\"%s%s\"", file->hash, suffixes[form->encoding]);
}

static void add_type(struct tt_http_exchange *exchange, const struct tt_page_file *file)
{
    struct tt_str type = type_of(file);

    tt_http_add_header(exchange, TT_STR("Content-Type"), type);
    if (tt_str_starts(type, TT_STR("text/html"))) {
        tt_http_add_header(exchange, TT_STR("Content-Security-Policy"),
                           tt_str_starts(tt_str_from(file->name), TT_STR(IMAGE_FRAME))
                               ? TT_STR(IMAGE_FRAME_POLICY)
                               : TT_STR(POLICY));
        tt_http_add_header(exchange, TT_STR("Referrer-Policy"), TT_STR("no-referrer"));
    }
}

/* Headers that a 304 has too. */
static void add_validators(struct tt_http_exchange *exchange, const struct form *form,
                           struct tt_str cache_control)
{
    tt_http_add_header(exchange, TT_STR("ETag"), tt_str_from(form->etag));
    tt_http_add_header(exchange, TT_STR("Cache-Control"), cache_control);
    tt_http_add_header(exchange, TT_STR("Vary"), TT_STR("Accept-Encoding"));
}

static bool is_unchanged(struct tt_http_exchange *exchange, const struct form *form)
{
    return tt_http_has_etag(tt_http_header(exchange, "If-None-Match"), tt_str_from(form->etag));
}

static void answer_form(struct tt_http_exchange *exchange, const struct tt_page_file *file,
                        const struct form *form)
{
    add_type(exchange, file);
    if (form->encoding != TT_HTTP_IDENTITY)
        tt_http_add_header(exchange, TT_STR("Content-Encoding"),
                           tt_http_encoding_name(form->encoding));
    tt_http_reply_fixed(exchange, 200, form->body);
}

void tt_page_answer(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    const struct tt_page_file *file = find_file(TT_STR("index.html"));
    struct form form;

    (void)dispatcher;
    choose_form(file, exchange, &form);
    add_validators(exchange, &form, TT_STR("no-cache"));
    if (is_unchanged(exchange, &form))
        tt_http_reply_fixed(exchange, 304, form.body);
    else
        answer_form(exchange, file, &form);
}

/* Whether the request is for a part; then it is answered. Parts are of the plain form only: nobody
 * could use a part of a compressed one. */
static bool answer_part(struct tt_http_exchange *exchange, const struct tt_page_file *file,
                        const struct form *form)
{
    struct tt_str if_range = tt_http_header(exchange, "If-Range"), part = {0};
    char content_range[80];

    if (form->encoding != TT_HTTP_IDENTITY)
        return false;
    tt_http_add_header(exchange, TT_STR("Accept-Ranges"), TT_STR("bytes"));
    if (!tt_str_eq(tt_http_method(exchange), TT_STR("GET")) ||
        (if_range.data && !tt_str_eq(if_range, tt_str_from(form->etag))))
        return false;
    switch (tt_http_cut_range(tt_http_header(exchange, "Range"), form->body, &part)) {
    case TT_HTTP_RANGE_PART:
        snprintf(content_range, sizeof(content_range), "bytes %zu-%zu/%zu",
                 (size_t)(part.data - form->body.data),
                 (size_t)(part.data - form->body.data) + part.len - 1, form->body.len);
        tt_http_add_header(exchange, TT_STR("Content-Range"), tt_str_from(content_range));
        add_type(exchange, file);
        tt_http_reply_fixed(exchange, 206, part);
        return true;
    case TT_HTTP_RANGE_UNSATISFIABLE:
        snprintf(content_range, sizeof(content_range), "bytes */%zu", form->body.len);
        tt_http_add_header(exchange, TT_STR("Content-Range"), tt_str_from(content_range));
        tt_http_reply_fixed(exchange, 416, TT_STR(""));
        return true;
    case TT_HTTP_RANGE_NONE:
        break;
    }
    return false;
}

void tt_page_answer_asset(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    struct tt_str path = tt_http_path(exchange);
    const struct tt_page_file *file = find_file(tt_str_of(path.data + 1, path.len - 1));
    struct tt_err err = {0};
    struct form form;

    if (!file) {
        tt_err_set(&err, 404, "not_found", "%s", "");
        if (tt_page_answer_unknown(dispatcher, exchange) == 0)
            tt_answer_error(dispatcher, exchange, &err, NULL, NULL);
        return;
    }
    choose_form(file, exchange, &form);
    add_validators(exchange, &form, TT_STR("public, max-age=31536000, immutable"));
    if (is_unchanged(exchange, &form))
        tt_http_reply_fixed(exchange, 304, form.body);
    else if (!answer_part(exchange, file, &form))
        answer_form(exchange, file, &form);
}

/* ---- unknown paths ---- */

/* Below these a path never means the page. */
static bool is_api(struct tt_str path)
{
    static const char *const roots[] = {"/api", "/v1", "/admin", "/livez", "/readyz"};

    for (size_t i = 0; i < TT_COUNT(roots); i++) {
        size_t len = strlen(roots[i]);
        if (tt_str_starts(path, tt_str_from(roots[i])) &&
            (path.len == len || path.data[len] == '/'))
            return true;
    }
    return false;
}

/* The public address without its last slash: the page's relative links need that slash. */
static int answer_base(struct tt_http_exchange *exchange, struct tt_str base)
{
    struct tt_str query = tt_http_query(exchange);
    struct tt_buf location = {0};

    tt_buf_printf(&location, "%.*s/%s%.*s", TT_STR_ARG(base), query.len ? "?" : "",
                  TT_STR_ARG(query));
    tt_http_add_header(exchange, TT_STR("Location"), tt_buf_str(&location));
    tt_buf_free(&location);
    tt_http_reply_fixed(exchange, 302, TT_STR(""));
    return 302;
}

static void fill_base(struct tt_str text, struct tt_str base, struct tt_buf *out)
{
    const struct tt_str mark = TT_STR(BASE_MARK);
    const char *at;

    while ((at = memmem(text.data, text.len, mark.data, mark.len))) {
        size_t before = (size_t)(at - text.data);
        tt_buf_append(out, text.data, before);
        tt_buf_append_str(out, base);
        tt_buf_putc(out, '/');
        text = tt_str_of(at + mark.len, text.len - before - mark.len);
    }
    tt_buf_append_str(out, text);
}

int tt_page_answer_unknown(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    struct tt_str base = dispatcher->settings->base_path, path = tt_http_path(exchange);
    struct tt_str method = tt_http_method(exchange);
    const struct tt_page_file *file = find_file(TT_STR("404.html"));
    struct tt_buf body = {0};

    if (!tt_str_eq(method, TT_STR("GET")) && !tt_str_eq(method, TT_STR("HEAD")))
        return 0;
    if (path.len == 0)
        return answer_base(exchange, base);
    if (is_api(path) || !tt_http_accepts_html(tt_http_header(exchange, "Accept")))
        return 0;
    if (!file)
        file = find_file(TT_STR("index.html"));
    fill_base(bytes_of(file, TT_HTTP_IDENTITY), base, &body);
    add_type(exchange, file);
    tt_http_add_header(exchange, TT_STR("Cache-Control"), TT_STR("no-cache"));
    tt_http_add_header(exchange, TT_STR("Vary"), TT_STR("Accept"));
    tt_http_reply(exchange, 404, &body);
    return 404;
}
