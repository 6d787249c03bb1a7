#include "serve/credentials.h"

#include <ctype.h>

/* RFC 9110, 11.1: the scheme's case does not matter. The token is one word, and what
 * tt_http_header returns ends with no blanks. */
static struct tt_str bearer_of(struct tt_str header)
{
    struct tt_str scheme = TT_STR("Bearer ");

    if (!tt_str_starts_nocase(header, scheme))
        return (struct tt_str){0};
    struct tt_str token = tt_str_of(header.data + scheme.len, header.len - scheme.len);
    while (token.len > 0 && token.data[0] == ' ')
        token = tt_str_of(token.data + 1, token.len - 1);
    for (size_t i = 0; i < token.len; i++)
        if (isspace((unsigned char)token.data[i]))
            return (struct tt_str){0};
    return token.len > 0 ? token : (struct tt_str){0};
}

struct tt_str tt_credentials_find(struct tt_http_exchange *exchange, bool *from_cookie)
{
    struct tt_str header = tt_http_header(exchange, "Authorization"), cookie = {0};
    bool unused;

    from_cookie = from_cookie ? from_cookie : &unused;
    *from_cookie = false;
    if (header.data)
        return bearer_of(header);
    header = tt_http_header(exchange, "x-api-key");
    if (header.len > 0)
        return header;
    cookie = tt_http_cookie(exchange, "access_token");
    *from_cookie = cookie.len > 0;
    return *from_cookie ? cookie : (struct tt_str){0};
}
