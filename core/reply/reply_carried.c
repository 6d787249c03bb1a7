/* What lies beside a reply's text: what clients get as it came, and the files of its message. */
#include "base/log.h"
#include "base/mem.h"
#include "reply/reply_internal.h"

#include <stdlib.h>

void tt_reply_carry(struct tt_reply *reply, struct tt_str json)
{
    if (tt_reply_state(reply) < TT_REPLY_PRODUCED && !reply->carried.data && json.len > 0)
        reply->carried = tt_str_of(tt_strndup(json.data, json.len), json.len);
}

void tt_reply_leave_out_images(struct tt_reply *reply, int count)
{
    reply->images_left_out += count;
}

int tt_reply_images_left_out(const struct tt_reply *reply)
{
    return reply->images_left_out;
}

static int count_images(struct tt_str items)
{
    static const struct tt_str begin = {"{\"type\":\"image_url\"", 19};
    int count = 0;

    while (items.len > 0) {
        const char *next = memmem(items.data, items.len, begin.data, begin.len);
        if (!next)
            break;
        count++;
        next += begin.len;
        items = tt_str_of(next, items.len - (size_t)(next - items.data));
    }
    return count;
}

void tt_reply_add_images(struct tt_reply *reply, struct tt_str items)
{
    size_t before = reply->images.len;

    if (tt_reply_state(reply) >= TT_REPLY_PRODUCED || items.len == 0)
        return;
    reply->images.max = TT_REPLY_IMAGES_MAX;
    if ((before && tt_buf_putc(&reply->images, ',') != 0) ||
        tt_buf_append_str(&reply->images, items) != 0) {
        reply->images.len = before;
        tt_reply_leave_out_images(reply, count_images(items));
        tt_log(TT_LOG_WARN, "images of a reply are left out: there are too many",
               TT_F_INT("message_id", reply->message_id), TT_F_INT("bytes", (int64_t)items.len));
    }
}

void tt_reply_carry_images(struct tt_reply *reply)
{
    struct tt_str carried = reply->carried;
    struct tt_buf json = {0};

    if (reply->images.len == 0)
        return;
    if (carried.len > 0) {
        tt_buf_append(&json, carried.data, carried.len - 1); /* without its brace */
        tt_buf_putc(&json, ',');
    } else {
        tt_buf_putc(&json, '{');
    }
    tt_buf_append_z(&json, "\"images\":[");
    tt_buf_append_str(&json, tt_buf_str(&reply->images));
    tt_buf_append_z(&json, "]}");
    free((char *)carried.data);
    reply->carried = tt_buf_str(&json);
    tt_buf_free(&reply->images);
}

struct tt_str tt_reply_carried(const struct tt_reply *reply)
{
    return reply->carried;
}

struct tt_json_value tt_reply_carried_images(const struct tt_reply *reply)
{
    struct tt_json_value object = {TT_JSON_OBJECT, reply->carried};

    return reply->carried.len > 0 ? tt_json_member(&object, TT_STR("\"images\""))
                                  : (struct tt_json_value){0};
}

void tt_reply_add_files(struct tt_reply *reply, struct tt_str ids)
{
    if (tt_reply_state(reply) >= TT_REPLY_FINISHED) /* readers look at them */
        return;
    if (reply->files.len > 0 && ids.len > 0)
        tt_buf_putc(&reply->files, ',');
    tt_buf_append_str(&reply->files, ids);
}

struct tt_str tt_reply_files(const struct tt_reply *reply)
{
    return tt_buf_str(&reply->files);
}
