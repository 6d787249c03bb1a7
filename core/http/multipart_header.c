/* Parameters as clients really send them, which differs from any single document. Browsers (WHATWG)
 * put names in quotes, write '"', CR and LF as %22, %0D and %0A, and leave everything else as it
 * is, including '\' and '%'. Older programs write \" and \\; some add filename* (RFC 5987). So
 * inside quotes only \" and \\ are escapes, and \" only if another quote follows to end the value.
 * Anything that could change its meaning in a path, a header or a log line is refused, never
 * repaired: control characters, invalid UTF-8, duplicate parameters, folded lines. Folders before a
 * name are removed. */
#include "http/multipart_header.h"

#include "base/url.h"
#include "base/utf8.h"

static int invalid(struct tt_err *err, const char *why)
{
    return tt_err_set(err, 400, "multipart_invalid", "%s", why);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_token(struct tt_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return s.len > 0;
}

/* C0, DEL and C1; s is valid UTF-8, so a C1 control is the two bytes C2 80..9F. */
static bool has_controls(struct tt_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        unsigned char next = i + 1 < s.len ? (unsigned char)s.data[i + 1] : 0xFF;
        if (c < 0x20 || c == 0x7F || (c == 0xC2 && next < 0xA0))
            return true;
    }
    return false;
}

static void skip(struct tt_str *s, size_t n)
{
    s->data += n;
    s->len -= n;
}

/* ---- parameters: (";" name "=" value)* ---- */

struct param {
    struct tt_str name;
    struct tt_buf value; /* without quotes and escapes; never NULL data */
    bool quoted;
};

/* rest begins after the opening quote, and ends after the closing one. */
static bool take_quoted(struct tt_str *rest, struct tt_buf *value)
{
    while (rest->len > 0 && rest->data[0] != '"') {
        size_t n = 1;
        char c = rest->data[0], next = rest->len > 1 ? rest->data[1] : '\0';
        if (c == '\\' && next == '\\') {
            n = 2;
        } else if (c == '\\' && next == '"' && memchr(rest->data + 2, '"', rest->len - 2)) {
            c = '"';
            n = 2;
        }
        tt_buf_putc(value, c);
        skip(rest, n);
    }
    if (rest->len == 0)
        return false;
    skip(rest, 1);
    return true;
}

static void skip_blanks(struct tt_str *s)
{
    while (s->len > 0 && is_blank(s->data[0]))
        skip(s, 1);
}

/* Cuts off the next parameter. 1, 0 at the end, -1 if it is malformed. A ';' without a parameter is
 * skipped. */
static int next_param(struct tt_str *rest, struct param *param)
{
    for (skip_blanks(rest); rest->len > 0 && rest->data[0] == ';'; skip_blanks(rest)) {
        skip(rest, 1);
        skip_blanks(rest);
        if (rest->len > 0 && rest->data[0] != ';')
            break;
    }
    if (rest->len == 0)
        return 0;
    ptrdiff_t equals = tt_str_find(*rest, '=');
    if (equals < 0)
        return -1;
    param->name = tt_str_trim(tt_str_of(rest->data, (size_t)equals));
    if (!is_token(param->name))
        return -1;
    skip(rest, (size_t)equals + 1);
    skip_blanks(rest);
    tt_buf_clear(&param->value);
    tt_buf_append(&param->value, "", 0);
    param->quoted = rest->len > 0 && rest->data[0] == '"';
    if (param->quoted) {
        skip(rest, 1);
        if (!take_quoted(rest, &param->value))
            return -1;
        skip_blanks(rest);
        return rest->len == 0 || rest->data[0] == ';' ? 1 : -1;
    }
    ptrdiff_t end = tt_str_find(*rest, ';');
    struct tt_str value = tt_str_of(rest->data, end < 0 ? rest->len : (size_t)end);
    skip(rest, value.len);
    value = tt_str_trim(value);
    if (value.len > 0 && memchr(value.data, '"', value.len))
        return -1;
    tt_buf_append_str(&param->value, value);
    return 1;
}

/* ---- the boundary ---- */

static bool boundary_valid(struct tt_str s)
{
    if (s.len == 0 || s.len > TT_MULTIPART_BOUNDARY_MAX || s.data[s.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || !strchr("'()+_,-./:=? ", c)))
            return false;
    }
    return true;
}

static struct tt_str before_semicolon(struct tt_str *rest)
{
    ptrdiff_t end = tt_str_find(*rest, ';');
    struct tt_str first = tt_str_of(rest->data, end < 0 ? rest->len : (size_t)end);
    skip(rest, first.len);
    return tt_str_trim(first);
}

int tt_multipart_boundary(struct tt_str content_type, char out[TT_MULTIPART_BOUNDARY_MAX + 1],
                          struct tt_err *err)
{
    struct tt_str rest = content_type;
    struct param param = {0};
    bool found = false;
    int more;
    int rc = -1;
    if (!rest.data || !tt_str_eq_nocase(before_semicolon(&rest), TT_STR("multipart/form-data")))
        return tt_err_set(err, 415, "unsupported_media_type",
                          "the Content-Type is not multipart/form-data");
    while ((more = next_param(&rest, &param)) > 0) {
        if (!tt_str_eq_nocase(param.name, TT_STR("boundary")))
            continue;
        if (found || !boundary_valid(tt_buf_str(&param.value))) {
            invalid(err, found ? "two boundaries" : "a boundary has 1 to 70 allowed characters");
            goto out;
        }
        memcpy(out, param.value.data, param.value.len + 1);
        found = true;
    }
    if (more < 0 || !found)
        invalid(err, found ? "ill-formed Content-Type" : "no boundary in the Content-Type");
    else
        rc = 0;
out:
    tt_buf_free(&param.value);
    return rc;
}

/* ---- Content-Disposition ---- */

/* Browsers write these for the three bytes that would end the value. CR and LF thus become control
 * characters, which are refused. */
static void undo_percent(struct tt_buf *value)
{
    size_t to = 0;
    for (size_t i = 0; i < value->len; i++, to++) {
        struct tt_str rest = tt_str_of(value->data + i, value->len - i);
        char c = value->data[i];
        if (tt_str_starts(rest, TT_STR("%22")))
            c = '"';
        else if (tt_str_starts_nocase(rest, TT_STR("%0d")))
            c = '\r';
        else if (tt_str_starts_nocase(rest, TT_STR("%0a")))
            c = '\n';
        i += c != value->data[i] ? 2 : 0;
        value->data[to] = c;
    }
    tt_buf_truncate(value, to);
}

/* charset'language'percent-encoded. 1 taken, 0 another charset, -1 malformed. */
static int take_extended(struct tt_str value, struct tt_buf *out)
{
    ptrdiff_t first = tt_str_find(value, '\'');
    if (first < 0)
        return -1;
    struct tt_str charset = tt_str_of(value.data, (size_t)first);
    skip(&value, (size_t)first + 1);
    ptrdiff_t second = tt_str_find(value, '\'');
    if (second < 0)
        return -1;
    skip(&value, (size_t)second + 1);
    if (!tt_str_eq_nocase(charset, TT_STR("utf-8")))
        return 0;
    tt_buf_clear(out);
    return tt_url_decode(value, false, out) == 0 && tt_buf_append(out, "", 0) == 0 ? 1 : -1;
}

static int check_text(struct tt_str text, struct tt_err *err)
{
    if (!tt_utf8_valid(text))
        return invalid(err, "a name that is not UTF-8");
    if (has_controls(text))
        return invalid(err, "a name with control characters");
    return 0;
}

/* Removes folders (some clients send the whole path); the rest must be a name. */
static int strip_folders(struct tt_buf *filename, struct tt_err *err)
{
    struct tt_str s = tt_buf_str(filename);
    size_t start = s.len;
    while (start > 0 && s.data[start - 1] != '/' && s.data[start - 1] != '\\')
        start--;
    struct tt_str last = tt_str_of(s.data + start, s.len - start);
    if (s.len > 0 &&
        (last.len == 0 || tt_str_eq(last, TT_STR(".")) || tt_str_eq(last, TT_STR(".."))))
        return invalid(err, "a file name that names a folder");
    tt_buf_consume(filename, start);
    return 0;
}

struct seen {
    bool name, filename, extended, extended_used;
};

static int take_param(struct tt_multipart_head *head, struct param *param, struct seen *seen,
                      struct tt_err *err)
{
    bool name = tt_str_eq_nocase(param->name, TT_STR("name"));
    bool filename = tt_str_eq_nocase(param->name, TT_STR("filename"));
    bool extended = tt_str_eq_nocase(param->name, TT_STR("filename*"));
    if ((name && seen->name) || (filename && seen->filename) || (extended && seen->extended))
        return invalid(err, "a parameter of Content-Disposition is there twice");
    seen->name |= name;
    seen->filename |= filename;
    seen->extended |= extended;
    if (extended) {
        int taken = take_extended(tt_buf_str(&param->value), &head->filename);
        if (taken < 0)
            return invalid(err, "ill-formed filename*");
        seen->extended_used = taken > 0;
        return 0;
    }
    if (!name && !filename)
        return 0;
    if (param->quoted)
        undo_percent(&param->value);
    /* Unused parameters are checked too: they must not even arrive. */
    if (check_text(tt_buf_str(&param->value), err) != 0)
        return -1;
    if (filename && seen->extended_used)
        return 0;
    struct tt_buf *to = name ? &head->name : &head->filename;
    tt_buf_clear(to);
    tt_buf_append(to, param->value.data, param->value.len);
    return 0;
}

static int parse_disposition(struct tt_multipart_head *head, struct tt_str value,
                             struct tt_err *err)
{
    struct seen seen = {0};
    struct param param = {0};
    int more;
    int rc = -1;
    if (!tt_str_eq_nocase(before_semicolon(&value), TT_STR("form-data")))
        return invalid(err, "a part whose Content-Disposition is not form-data");
    while ((more = next_param(&value, &param)) > 0)
        if (take_param(head, &param, &seen, err) != 0)
            goto out;
    if (more < 0 || !seen.name) {
        invalid(err, seen.name ? "ill-formed Content-Disposition" : "a part without a name");
        goto out;
    }
    head->part.name = tt_buf_str(&head->name);
    if (seen.extended && !seen.filename && !seen.extended_used) {
        invalid(err, "a filename* that is not UTF-8, and no filename");
        goto out;
    }
    if (seen.filename || seen.extended) {
        if (check_text(tt_buf_str(&head->filename), err) != 0 ||
            strip_folders(&head->filename, err) != 0)
            goto out;
        head->part.filename = tt_buf_str(&head->filename);
    }
    rc = 0;
out:
    tt_buf_free(&param.value);
    return rc;
}

/* ---- the block ---- */

static int take_line(struct tt_multipart_head *head, struct tt_str line, struct tt_err *err)
{
    ptrdiff_t colon = tt_str_find(line, ':');
    struct tt_str name = tt_str_of(line.data, colon < 0 ? 0 : (size_t)colon);
    if (!is_token(name)) /* also a folded line */
        return invalid(err, "a header line without a name");
    struct tt_str value = line;
    skip(&value, (size_t)colon + 1);
    value = tt_str_trim(value);
    if (tt_str_eq_nocase(name, TT_STR("content-disposition"))) {
        if (head->part.name.data)
            return invalid(err, "two Content-Dispositions");
        return parse_disposition(head, value, err);
    }
    if (tt_str_eq_nocase(name, TT_STR("content-type"))) {
        if (head->part.content_type.data)
            return invalid(err, "two Content-Types");
        head->part.content_type = value;
    } else if (tt_str_eq_nocase(name, TT_STR("content-transfer-encoding")) &&
               !tt_str_eq_nocase(value, TT_STR("binary")) &&
               !tt_str_eq_nocase(value, TT_STR("8bit")) &&
               !tt_str_eq_nocase(value, TT_STR("7bit"))) {
        return invalid(err, "a part with a Content-Transfer-Encoding");
    }
    return 0;
}

int tt_multipart_head_parse(struct tt_multipart_head *head, struct tt_str block, struct tt_err *err)
{
    struct tt_str line;
    if (!tt_utf8_valid(block))
        return invalid(err, "a part's header is not UTF-8");
    while (block.len > 0) {
        const char *end = memmem(block.data, block.len, "\r\n", 2);
        if (!end)
            return invalid(err, "a header line without its end");
        line = tt_str_of(block.data, (size_t)(end - block.data));
        skip(&block, line.len + 2);
        for (size_t i = 0; i < line.len; i++)
            if (((unsigned char)line.data[i] < 0x20 && line.data[i] != '\t') ||
                line.data[i] == 0x7F)
                return invalid(err, "a part's header has control characters");
        if (take_line(head, line, err) != 0)
            return -1;
    }
    if (!head->part.name.data)
        return invalid(err, "a part without Content-Disposition");
    if (!head->part.content_type.data)
        head->part.content_type = TT_STR("");
    return 0;
}

void tt_multipart_head_free(struct tt_multipart_head *head)
{
    tt_buf_free(&head->name);
    tt_buf_free(&head->filename);
    *head = (struct tt_multipart_head){0};
}
