/* Selects the extraction and its limits, and has what all kinds share: the result is collected
 * separately and appended only when it is complete. Does not know which types the server offers:
 * that is policy, in Lua. */
#include "files/extract.h"

#include "base/decode.h"
#include "base/utf8.h"
#include "files/extract_internal.h"

#include <errno.h>
#include <unistd.h>

#define MIB ((size_t)1024 * 1024)

int tt_extract_failed(struct tt_err *err, const char *why)
{
    return tt_err_set(err, 422, "extract_failed", "%s", why);
}

int tt_extract_too_large(struct tt_err *err, const char *why)
{
    return tt_err_set(err, 413, "extract_too_large", "%s", why);
}

static struct tt_extract_limits complete(const struct tt_extract_limits *given)
{
    struct tt_extract_limits limits = given ? *given : (struct tt_extract_limits){0};
    if (limits.text_max == 0)
        limits.text_max = 8 * MIB;
    if (limits.inflate_max == 0)
        limits.inflate_max = 32 * MIB;
    if (limits.memory_max == 0)
        limits.memory_max = 512 * MIB;
    if (limits.cpu_seconds == 0)
        limits.cpu_seconds = 10;
    if (limits.wall_ms == 0)
        limits.wall_ms = 20000;
    if (!limits.pdftotext)
        limits.pdftotext = "/usr/bin/pdftotext";
    return limits;
}

/* A text file. In UTF-16 it is up to twice as long as its text: more is not read. */
static int extract_plain(int fd, struct tt_buf *out, struct tt_err *err)
{
    struct tt_buf bytes = {.max = out->max * 2 + 4};
    int rc = -1;
    for (;;) {
        char piece[65536];
        ssize_t n = read(fd, piece, sizeof(piece));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            tt_err_set(err, 500, "store_failed", "reading a file: %s", strerror(errno));
            goto out;
        }
        if (n == 0)
            break;
        if (tt_buf_append(&bytes, piece, (size_t)n) != 0) {
            tt_extract_too_large(err, "a long text file");
            goto out;
        }
    }
    struct tt_err why = {0};
    rc = tt_decode_text(tt_buf_str(&bytes), out, NULL, &why);
    if (rc != 0 && strcmp(why.code, "text_too_large") == 0)
        tt_extract_too_large(err, why.message);
    else if (rc != 0 && err)
        *err = why;
out:
    tt_buf_free(&bytes);
    return rc;
}

/* What documents hold beside their text: form feeds become line ends, other control characters go;
 * pdftotext passes on invalid bytes, which become U+FFFD. */
static int append_clean(struct tt_str text, struct tt_buf *out)
{
    struct tt_utf8_joiner joiner = {0};
    size_t to = out->len;
    if (tt_utf8_join(&joiner, text, out) != 0 || tt_utf8_join_end(&joiner, out) != 0)
        return -1;
    for (size_t i = to; i < out->len; i++) {
        char c = out->data[i] == '\f' ? '\n' : out->data[i];
        if (((unsigned char)c >= 0x20 && c != 0x7F) || c == '\n' || c == '\t')
            out->data[to++] = c;
    }
    tt_buf_truncate(out, to);
    return 0;
}

int tt_extract_text(int fd, struct tt_str extension, const struct tt_extract_limits *given,
                    const struct tt_extract_stop *stop, struct tt_buf *out, struct tt_err *err)
{
    const struct tt_extract_limits limits = complete(given);
    struct tt_buf text = {.max = limits.text_max};
    size_t before = out->len;
    bool plain = false;
    int rc = -1;
    if (extension.len > 0 && extension.data[0] == '.')
        extension = tt_str_of(extension.data + 1, extension.len - 1);
    if (tt_str_eq_nocase(extension, TT_STR("pdf"))) {
        rc = tt_extract_pdf(fd, &limits, stop, &text, err);
    } else if (tt_str_eq_nocase(extension, TT_STR("docx"))) {
        rc = tt_extract_docx(fd, &limits, &text, err);
    } else {
        plain = true;
        rc = extract_plain(fd, &text, err);
    }
    if (rc == 0) {
        rc = plain ? tt_buf_append_str(out, tt_buf_str(&text))
                   : append_clean(tt_buf_str(&text), out);
        if (rc != 0) {
            tt_buf_truncate(out, before);
            tt_extract_too_large(err, "the text does not fit");
        }
    }
    tt_buf_free(&text);
    return rc;
}
