#include "upstream/call_body.h"

#include "base/mem.h"

#include <stdlib.h>

struct tt_call_body *tt_call_body_new(struct tt_buf *text)
{
    struct tt_call_body *body = TT_NEW(struct tt_call_body);

    body->refs = 1;
    body->text = *text;
    *text = (struct tt_buf){.max = text->max};
    return body;
}

struct tt_call_body *tt_call_body_ref(struct tt_call_body *body)
{
    if (body)
        body->refs++;
    return body;
}

void tt_call_body_unref(struct tt_call_body *body)
{
    if (!body || --body->refs > 0)
        return;
    tt_buf_free(&body->text);
    free(body);
}
