/* The states of a multipart body. The delimiter is CRLF "--" boundary, and CR occurs only at its
 * beginning. So a partial match that fails never hides another one, the bytes that were held back
 * are the delimiter's own first bytes, and no data is ever copied. The CRLF before the first
 * delimiter, and that of a part without a body, was already read as something else: there a match
 * starts with two bytes done. A delimiter must be followed by "--", or by blanks and CRLF: a
 * boundary that occurs inside the data is the client's mistake, and is reported. */
#include "http/multipart.h"

#include "base/mem.h"
#include "http/multipart_header.h"

#include <stdio.h>
#include <stdlib.h>

#define PARTS_MAX  32
#define HEADER_MAX 8192
#define FIELD_MAX  65536

enum state {
    PREAMBLE,
    AFTER_DELIMITER,
    AFTER_DASH, /* the first of the two closing dashes */
    PADDING,    /* blanks after a boundary */
    AFTER_CR,
    HEADER,
    DATA,
    EPILOGUE,
    FAILED
};

struct tt_multipart {
    struct tt_multipart_limits limits;
    struct tt_multipart_handler handler;
    enum state state;
    char delimiter[4 + TT_MULTIPART_BOUNDARY_MAX + 1];
    size_t delimiter_len;
    size_t matched;  /* bytes of the delimiter seen at the end of the input so far */
    size_t borrowed; /* of these, bytes that are not data: 0 or 2 */
    struct tt_buf header;
    size_t parts;
    size_t field_bytes;
    bool is_field;
    struct tt_err failure;
};

struct tt_multipart *tt_multipart_new(struct tt_str content_type,
                                      const struct tt_multipart_limits *limits,
                                      const struct tt_multipart_handler *handler,
                                      struct tt_err *err)
{
    char boundary[TT_MULTIPART_BOUNDARY_MAX + 1];
    if (tt_multipart_boundary(content_type, boundary, err) != 0)
        return NULL;
    struct tt_multipart *multipart = TT_NEW(struct tt_multipart);
    if (limits)
        multipart->limits = *limits;
    if (multipart->limits.parts_max == 0)
        multipart->limits.parts_max = PARTS_MAX;
    if (multipart->limits.header_max == 0)
        multipart->limits.header_max = HEADER_MAX;
    if (multipart->limits.field_max == 0)
        multipart->limits.field_max = FIELD_MAX;
    multipart->handler = *handler;
    multipart->delimiter_len =
        (size_t)snprintf(multipart->delimiter, sizeof(multipart->delimiter), "\r\n--%s", boundary);
    multipart->matched = multipart->borrowed = 2;
    return multipart;
}

void tt_multipart_free(struct tt_multipart *multipart)
{
    if (!multipart)
        return;
    tt_buf_free(&multipart->header);
    free(multipart);
}

/* ---- output: each returns 0, or -1 with `failure` filled in ---- */

static int emit(struct tt_multipart *multipart, const char *data, size_t len)
{
    if (len == 0 || multipart->state != DATA)
        return 0; /* the preamble is dropped */
    if (multipart->is_field) {
        multipart->field_bytes += len;
        if (multipart->field_bytes > multipart->limits.field_max)
            return tt_err_set(&multipart->failure, 413, "multipart_field_too_large",
                              "a field is longer than %zu bytes", multipart->limits.field_max);
    }
    return multipart->handler.on_part_data(multipart->handler.arg, tt_str_of(data, len),
                                           &multipart->failure);
}

static int end_part(struct tt_multipart *multipart)
{
    bool in_part = multipart->state == DATA;
    multipart->state = AFTER_DELIMITER;
    multipart->matched = multipart->borrowed = 0;
    if (!in_part)
        return 0;
    return multipart->handler.on_part_end(multipart->handler.arg, &multipart->failure);
}

static int begin_header(struct tt_multipart *multipart)
{
    if (++multipart->parts > multipart->limits.parts_max)
        return tt_err_set(&multipart->failure, 413, "multipart_too_many_parts",
                          "more than %zu parts", multipart->limits.parts_max);
    tt_buf_clear(&multipart->header);
    multipart->state = HEADER;
    return 0;
}

static int begin_part(struct tt_multipart *multipart)
{
    struct tt_multipart_head head = {0};
    struct tt_str block = tt_str_of(multipart->header.data, multipart->header.len - 2);
    int rc = tt_multipart_head_parse(&head, block, &multipart->failure);
    if (rc == 0) {
        multipart->is_field = head.part.filename.data == NULL;
        multipart->field_bytes = 0;
        multipart->state = DATA;
        multipart->matched = multipart->borrowed = 2;
        rc = multipart->handler.on_part_begin(multipart->handler.arg, &head.part,
                                              &multipart->failure);
    }
    tt_multipart_head_free(&head);
    return rc;
}

/* ---- states: each consumes bytes from the front of `in` ---- */

/* Where a delimiter that is cut by the end of the input may begin; the end if none does. */
static const char *partial_match(const struct tt_multipart *multipart, struct tt_str in)
{
    const char *end = in.data + in.len;
    size_t longest = multipart->delimiter_len - 1;
    const char *p = in.len > longest ? end - longest : in.data;
    while ((p = memchr(p, '\r', (size_t)(end - p)))) {
        if (memcmp(p, multipart->delimiter, (size_t)(end - p)) == 0)
            return p;
        p++;
    }
    return end;
}

/* Continues a delimiter that an earlier piece began. */
static int continue_match(struct tt_multipart *multipart, struct tt_str *in)
{
    while (in->len > 0 && multipart->matched < multipart->delimiter_len) {
        if (in->data[0] != multipart->delimiter[multipart->matched]) {
            size_t from = multipart->borrowed, to = multipart->matched;
            multipart->matched = multipart->borrowed = 0;
            return emit(multipart, multipart->delimiter + from, to - from);
        }
        multipart->matched++;
        in->data++;
        in->len--;
    }
    return multipart->matched == multipart->delimiter_len ? end_part(multipart) : 0;
}

static int take_data(struct tt_multipart *multipart, struct tt_str *in)
{
    if (multipart->matched > 0)
        return continue_match(multipart, in);
    const char *found = memmem(in->data, in->len, multipart->delimiter, multipart->delimiter_len);
    const char *end = found ? found : partial_match(multipart, *in);
    size_t len = (size_t)(end - in->data);
    if (emit(multipart, in->data, len) != 0)
        return -1;
    if (found) {
        in->data += len + multipart->delimiter_len;
        in->len -= len + multipart->delimiter_len;
        return end_part(multipart);
    }
    multipart->matched = in->len - len;
    in->data += in->len;
    in->len = 0;
    return 0;
}

static int take_header(struct tt_multipart *multipart, struct tt_str *in)
{
    struct tt_buf *header = &multipart->header;
    const char *feed = memchr(in->data, '\n', in->len);
    size_t len = feed ? (size_t)(feed - in->data) + 1 : in->len;
    if (len > multipart->limits.header_max - header->len)
        return tt_err_set(&multipart->failure, 413, "multipart_header_too_large",
                          "a part's header is longer than %zu bytes", multipart->limits.header_max);
    tt_buf_append(header, in->data, len);
    in->data += len;
    in->len -= len;
    struct tt_str all = tt_buf_str(header);
    if (feed && (tt_str_ends(all, TT_STR("\r\n\r\n")) || tt_str_eq(all, TT_STR("\r\n"))))
        return begin_part(multipart);
    return 0;
}

/* One byte of a line that begins with the boundary. */
static int take_delimiter_line(struct tt_multipart *multipart, char c)
{
    enum state next = FAILED;
    switch (multipart->state) {
    case AFTER_DELIMITER:
        next = c == '-' ? AFTER_DASH : next;
        /* fall through */
    case PADDING:
        next = c == ' ' || c == '\t' ? PADDING : c == '\r' ? AFTER_CR : next;
        break;
    case AFTER_DASH:
        next = c == '-' ? EPILOGUE : next;
        break;
    default: /* AFTER_CR */
        next = c == '\n' ? HEADER : next;
    }
    if (next == FAILED)
        return tt_err_set(&multipart->failure, 400, "multipart_invalid",
                          "a boundary is followed by neither a line end nor \"--\"");
    if (next == HEADER)
        return begin_header(multipart);
    multipart->state = next;
    return 0;
}

static int step(struct tt_multipart *multipart, struct tt_str *in)
{
    switch (multipart->state) {
    case PREAMBLE:
    case DATA:
        return take_data(multipart, in);
    case HEADER:
        return take_header(multipart, in);
    case EPILOGUE:
        in->len = 0;
        return 0;
    default:
        in->len--;
        return take_delimiter_line(multipart, *in->data++);
    }
}

static int fail(struct tt_multipart *multipart, struct tt_err *err)
{
    multipart->state = FAILED;
    if (multipart->failure.status == 0)
        tt_err_set(&multipart->failure, 500, "internal", "a multipart callback failed");
    if (err)
        *err = multipart->failure;
    return -1;
}

int tt_multipart_feed(struct tt_multipart *multipart, struct tt_str bytes, struct tt_err *err)
{
    while (bytes.len > 0 && multipart->state != FAILED)
        if (step(multipart, &bytes) != 0)
            return fail(multipart, err);
    return multipart->state == FAILED ? fail(multipart, err) : 0;
}

int tt_multipart_end(struct tt_multipart *multipart, struct tt_err *err)
{
    if (multipart->state == EPILOGUE)
        return 0;
    if (multipart->state != FAILED)
        tt_err_set(&multipart->failure, 400, "multipart_incomplete",
                   "the body ended before its closing boundary");
    return fail(multipart, err);
}
