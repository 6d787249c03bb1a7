/* Headers of requests: checked, kept in the form in which curl wants them, and shared by the calls
 * that send them. */
#include "base/mem.h"
#include "upstream/client_internal.h"

#include <stdatomic.h>
#include <stdlib.h>

struct tt_call_headers {
    _Atomic size_t refs;
    struct curl_slist *list;
    struct curl_slist *given; /* the first that is not ours; NULL: none */
};

/* Ours, unless a line has the name. Front ends refuse requests that do not say who asks. Whatever
 * comes is decoded all the same: some compress without being asked. As lines, curl writes them
 * once; as options, twice in each request. */
static const char *const own_lines[] = {"User-Agent: TideTalk/" TT_VERSION,
                                        "Accept-Encoding: identity"};

/* What frames the request is curl's business: a second Content-Length would smuggle. */
static bool header_allowed(struct tt_str line)
{
    static const char *const own[] = {
        "content-length:", "transfer-encoding:", "connection:", "host:", "expect:", "upgrade:"};
    ptrdiff_t colon = tt_str_find(line, ':');
    if (colon <= 0 || tt_str_find(line, '\r') >= 0 || tt_str_find(line, '\n') >= 0 ||
        tt_str_find(line, '\0') >= 0)
        return false;
    for (ptrdiff_t i = 0; i < colon; i++)
        if (line.data[i] <= ' ' || line.data[i] >= 0x7F || line.data[i] == ';')
            return false;
    for (size_t i = 0; i < TT_COUNT(own); i++)
        if (tt_str_starts_nocase(line, tt_str_from(own[i])))
            return false;
    return true;
}

static bool is_given(const char *own, const struct tt_str *lines, size_t count)
{
    struct tt_str name = tt_str_of(own, strcspn(own, ":") + 1);

    for (size_t i = 0; i < count; i++)
        if (tt_str_starts_nocase(lines[i], name))
            return true;
    return false;
}

/* Appends to the last line, at once; returns what is the last then. */
static struct curl_slist *append(struct curl_slist *last, const char *line)
{
    struct curl_slist *longer = last ? curl_slist_append(last, line) : NULL;
    return longer ? last->next : NULL;
}

struct tt_call_headers *tt_call_headers_new(const struct tt_str *lines, size_t count,
                                            struct tt_err *err)
{
    struct tt_call_headers *headers = TT_NEW(struct tt_call_headers);
    struct curl_slist *last = curl_slist_append(NULL, "Expect:");

    atomic_init(&headers->refs, 1);
    headers->list = last;
    for (size_t i = 0; i < TT_COUNT(own_lines); i++)
        if (!is_given(own_lines[i], lines, count))
            last = append(last, own_lines[i]);
    struct curl_slist *own = last;
    for (size_t i = 0; i < count && last; i++) {
        if (!header_allowed(lines[i])) {
            tt_err_set(err, 400, "invalid_header",
                       "outbound header %zu is not allowed or not well-formed", i + 1);
            goto fail;
        }
        char *text = tt_strndup(lines[i].data, lines[i].len);
        last = append(last, text);
        explicit_bzero(text, lines[i].len);
        free(text);
    }
    if (last) {
        headers->given = own->next;
        return headers;
    }
    tt_err_set(err, 503, "busy", "out of memory");
fail:
    tt_call_headers_unref(headers);
    return NULL;
}

struct tt_call_headers *tt_call_headers_ref(struct tt_call_headers *headers)
{
    atomic_fetch_add_explicit(&headers->refs, 1, memory_order_relaxed);
    return headers;
}

void tt_call_headers_unref(struct tt_call_headers *headers)
{
    if (!headers || atomic_fetch_sub_explicit(&headers->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (struct curl_slist *line = headers->list; line; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(headers->list);
    free(headers);
}

size_t tt_call_headers_lines(const struct tt_call_headers *headers, struct tt_str *lines,
                             size_t max)
{
    size_t count = 0;

    for (struct curl_slist *line = headers->given; line && count < max; line = line->next)
        lines[count++] = tt_str_from(line->data);
    return count;
}

struct curl_slist *tt_call_headers_list(const struct tt_call_headers *headers)
{
    return headers->list;
}
