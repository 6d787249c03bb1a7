/* Quality values are thousandths: they have at most three digits after the point, and integers
 * compare exactly. A list member that cannot be parsed is skipped. */
#include "http/negotiate.h"

#define QUALITY_MAX 1000
#define NOT_NAMED   (-1)

struct tt_str tt_http_encoding_name(enum tt_http_encoding encoding)
{
    static const struct tt_str names[TT_HTTP_ENCODINGS] = {
        [TT_HTTP_IDENTITY] = {"", 0}, [TT_HTTP_GZIP] = {"gzip", 4}, [TT_HTTP_BROTLI] = {"br", 2}};
    return names[encoding];
}

/* "0.25" -> 250. NOT_NAMED if it is not a quality value (RFC 9110, 12.4.2). */
static int parse_quality(struct tt_str text)
{
    int value = 0, scale = QUALITY_MAX;

    if (text.len == 0 || text.len > 5 || (text.data[0] != '0' && text.data[0] != '1') ||
        (text.len > 1 && text.data[1] != '.'))
        return NOT_NAMED;
    for (size_t i = 0; i < text.len; i++) {
        if (i == 1)
            continue;
        if (text.data[i] < '0' || text.data[i] > '9')
            return NOT_NAMED;
        value += (text.data[i] - '0') * scale;
        scale /= 10;
    }
    return value <= QUALITY_MAX ? value : NOT_NAMED;
}

/* The quality of "name;a=b;q=0.5"; *name is the text before the first ';'. */
static int read_member(struct tt_str member, struct tt_str *name)
{
    struct tt_str rest = member, parameter;
    int quality = QUALITY_MAX;

    tt_str_split(&rest, ';', name);
    *name = tt_str_trim(*name);
    while (rest.data && tt_str_split(&rest, ';', &parameter)) {
        parameter = tt_str_trim(parameter);
        if (tt_str_starts_nocase(parameter, TT_STR("q=")))
            quality = parse_quality(tt_str_of(parameter.data + 2, parameter.len - 2));
    }
    return quality;
}

/* The quality of the first member with this name; NOT_NAMED if there is none. */
static int quality_of(struct tt_str list, struct tt_str wanted)
{
    struct tt_str rest = list, member, name;

    while (rest.data && tt_str_split(&rest, ',', &member)) {
        int quality = read_member(member, &name);
        if (quality != NOT_NAMED && tt_str_eq_nocase(name, wanted))
            return quality;
    }
    return NOT_NAMED;
}

enum tt_http_encoding tt_http_choose_encoding(struct tt_str accept_encoding, unsigned available)
{
    int any = quality_of(accept_encoding, TT_STR("*"));
    int best_quality = quality_of(accept_encoding, TT_STR("identity"));
    enum tt_http_encoding best = TT_HTTP_IDENTITY;

    /* An encoding that is not named is acceptable, but everything that the client names is better.
     */
    if (best_quality == NOT_NAMED)
        best_quality = 0;
    for (enum tt_http_encoding encoding = TT_HTTP_GZIP; encoding < TT_HTTP_ENCODINGS; encoding++) {
        int quality = quality_of(accept_encoding, tt_http_encoding_name(encoding));
        if (quality == NOT_NAMED)
            quality = any;
        if ((available & (1u << encoding)) && quality > 0 && quality >= best_quality) {
            best = encoding;
            best_quality = quality;
        }
    }
    return best;
}

bool tt_http_accepts_html(struct tt_str accept)
{
    return quality_of(accept, TT_STR("text/html")) > 0;
}

static struct tt_str without_weakness(struct tt_str etag)
{
    return tt_str_starts(etag, TT_STR("W/")) ? tt_str_of(etag.data + 2, etag.len - 2) : etag;
}

bool tt_http_has_etag(struct tt_str if_none_match, struct tt_str etag)
{
    struct tt_str rest = if_none_match, member;

    while (rest.data && tt_str_split(&rest, ',', &member)) {
        member = tt_str_trim(member);
        if (tt_str_eq(member, TT_STR("*")) ||
            tt_str_eq(without_weakness(member), without_weakness(etag)))
            return true;
    }
    return false;
}

enum tt_http_range tt_http_cut_range(struct tt_str range, uint64_t size, uint64_t *from,
                                     uint64_t *len)
{
    uint64_t to = size - 1;

    *from = 0;
    if (!tt_str_starts_nocase(range, TT_STR("bytes=")) || tt_str_find(range, ',') >= 0)
        return TT_HTTP_RANGE_NONE;
    struct tt_str bounds = tt_str_trim(tt_str_of(range.data + 6, range.len - 6));
    ptrdiff_t dash = tt_str_find(bounds, '-');
    if (dash < 0)
        return TT_HTTP_RANGE_NONE;
    struct tt_str first = tt_str_of(bounds.data, (size_t)dash);
    struct tt_str last = tt_str_of(bounds.data + dash + 1, bounds.len - (size_t)dash - 1);
    if (first.len == 0) { /* the last `n` bytes */
        uint64_t count;
        if (tt_str_to_u64(last, &count) != 0)
            return TT_HTTP_RANGE_NONE;
        *from = count < size ? size - count : 0;
        if (count == 0)
            return TT_HTTP_RANGE_UNSATISFIABLE;
    } else {
        if (tt_str_to_u64(first, from) != 0 ||
            (last.len > 0 && (tt_str_to_u64(last, &to) != 0 || to < *from)))
            return TT_HTTP_RANGE_NONE;
    }
    if (*from >= size)
        return TT_HTTP_RANGE_UNSATISFIABLE;
    if (to >= size)
        to = size - 1;
    *len = to - *from + 1;
    return TT_HTTP_RANGE_PART;
}
