/* A file has up to three forms: plain, gzip, brotli. The request's head decides which is sent, and
 * whether all of it, a part, or nothing new; the bytes are always those in the program. Each form
 * has its own entity tag, because their bytes differ. */
#include "app/page/page.h"

#include "app/page/page_files.h"
#include "http/content_type.h"
#include "http/selection.h"
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
    struct tt_str type = tt_http_type_of(tt_str_from(file->name));

    tt_http_add_header(exchange, TT_STR("Content-Type"), type);
    if (tt_str_starts(type, TT_STR("text/html"))) {
        tt_http_add_header(exchange, TT_STR("Content-Security-Policy"),
                           tt_str_starts(tt_str_from(file->name), TT_STR(IMAGE_FRAME))
                               ? TT_STR(IMAGE_FRAME_POLICY)
                               : TT_STR(POLICY));
        tt_http_add_header(exchange, TT_STR("Referrer-Policy"), TT_STR("no-referrer"));
    }
}

/* Parts are of the plain form only: nobody could use a part of a compressed one. */
static void answer_file(struct tt_http_exchange *exchange, const struct tt_page_file *file,
                        struct tt_str cache_control, bool parts)
{
    struct tt_http_selection selection;
    struct form form;

    choose_form(file, exchange, &form);
    tt_http_add_header(exchange, TT_STR("Cache-Control"), cache_control);
    tt_http_add_header(exchange, TT_STR("Vary"), TT_STR("Accept-Encoding"));
    tt_http_select(exchange, tt_str_from(form.etag), form.body.len,
                   parts && form.encoding == TT_HTTP_IDENTITY, &selection);
    if (selection.status == 200 || selection.status == 206)
        add_type(exchange, file);
    if (selection.status == 200 && form.encoding != TT_HTTP_IDENTITY)
        tt_http_add_header(exchange, TT_STR("Content-Encoding"),
                           tt_http_encoding_name(form.encoding));
    tt_http_reply_fixed(exchange, selection.status,
                        tt_str_of(form.body.data + selection.from, (size_t)selection.len));
}

void tt_page_answer(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    (void)dispatcher;
    answer_file(exchange, find_file(TT_STR("index.html")), TT_STR("no-cache"), false);
}

void tt_page_answer_asset(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    struct tt_str path = tt_http_path(exchange);
    const struct tt_page_file *file = find_file(tt_str_of(path.data + 1, path.len - 1));
    struct tt_err err = {0};

    if (!file) {
        tt_err_set(&err, 404, "not_found", "%s", "");
        if (tt_page_answer_unknown(dispatcher, exchange) == 0)
            tt_answer_error(dispatcher, exchange, &err, NULL, NULL);
        return;
    }
    answer_file(exchange, file, TT_STR("public, max-age=31536000, immutable"), true);
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
