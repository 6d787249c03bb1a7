/* What packs a body. gzip and deflate are unpacked here, by the first bytes (unpack.h), since the
 * label is often wrong; anything else that curl knows (br, zstd) it unpacks by the label. */
#include "upstream/client_internal.h"

/* A line of a head. Each head of a call begins anew: a 1xx one, or that of a silent repetition. */
void tt_call_note_coding(struct tt_call *call, struct tt_str line)
{
    static const struct tt_str name = {"Content-Encoding:", 17};

    if (tt_str_starts(line, TT_STR("HTTP/")))
        call->coding = (struct tt_unpack_label){0};
    if (!tt_str_starts_nocase(line, name))
        return;
    tt_unpack_label_add(&call->coding, tt_str_of(line.data + name.len, line.len - name.len));
    curl_easy_setopt(call->easy, CURLOPT_HTTP_CONTENT_DECODING, call->coding.other ? 1L : 0L);
}

static int on_unpacked(void *arg, struct tt_str bytes)
{
    struct tt_call *call = arg;

    call->piece += bytes.len;
    return call->cancelled || call->handler.on_data(call->handler.arg, bytes) != 0 ? -1 : 0;
}

int tt_call_pass_on(struct tt_call *call, struct tt_str bytes)
{
    if (!call->body_begun)
        call->unpack = tt_unpack_new(call->coding, call->any_coding, bytes.data[0]);
    call->body_begun = true;
    if (!call->unpack)
        return call->handler.on_data(call->handler.arg, bytes);
    return tt_unpack_feed(call->unpack, bytes, on_unpacked, call);
}

int tt_call_pass_end(struct tt_call *call)
{
    return call->unpack ? tt_unpack_end(call->unpack, on_unpacked, call) : 0;
}
