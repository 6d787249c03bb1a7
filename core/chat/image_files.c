/* The bytes are in the reply, which does not change any more: an aux thread decodes and writes them
 * from there. What the upstream calls an image is not trusted: its first bytes decide its type, and
 * its name is made here. The rooms that are left are conditions of the inserts, as for uploads. */
#include "chat/image_files.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "files/job.h"

#include <stdio.h>
#include <stdlib.h>

#define IMAGES_MAX 16 /* of one reply */

/* ?1 is the message. A session that is deleted has no user any more. */
#define INSERT                                                                                     \
    "INSERT INTO uploaded_files (user_id, session_row, file_name, file_key, file_size, file_type," \
    " created_at, updated_at)"                                                                     \
    " SELECT m.user_id, m.session_row, ?2, ?3, ?4, ?5, ?6, ?6 FROM chat_messages AS m"             \
    " JOIN chat_sessions AS s ON s.id = m.session_row AND s.user_id = m.user_id"                   \
    " JOIN users AS u ON u.id = m.user_id"                                                         \
    " WHERE m.id = ?1 AND u.file_bytes + ?4 <= ?7 AND s.file_count < ?8"
static const char SQL_INSERT[] = INSERT;
static const char SQL_INSERT_OF_TURN[] = INSERT " AND m.turn_epoch = ?9"; /* see reply_store.c */
static const char SQL_COUNT_FILE[] =
    "UPDATE chat_sessions SET file_count = file_count + 1"
    " WHERE id = (SELECT session_row FROM uploaded_files WHERE file_key = ?1)";
static const char SQL_COUNT_BYTES[] =
    "UPDATE users SET file_bytes = file_bytes + ?2"
    " WHERE id = (SELECT user_id FROM uploaded_files WHERE file_key = ?1)";
static const char SQL_NAME_FILE[] =
    "UPDATE chat_messages SET file_ids = CASE file_ids WHEN '[]' THEN '['"
    " ELSE substr(file_ids, 1, length(file_ids) - 1) || ',' END"
    " || (SELECT id FROM uploaded_files WHERE file_key = ?2) || ']'"
    " WHERE id = ?1 AND EXISTS (SELECT 1 FROM uploaded_files WHERE file_key = ?2)";

/* How many of ?2 images are no files, noted in the usage. */
#define LEFT_OUT                                                                                   \
    "(?2 - CASE file_ids WHEN '[]' THEN 0"                                                         \
    " ELSE 1 + length(file_ids) - length(replace(file_ids, ',', '')) END)"
#define NOTE_LEFT_OUT                                                                              \
    "UPDATE chat_messages SET usage = CASE WHEN usage IS NULL THEN '{'"                            \
    " ELSE substr(usage, 1, length(usage) - 1) || ',' END"                                         \
    " || '\"images_left_out\":' || CAST(" LEFT_OUT " AS TEXT) || '}'"                              \
    " WHERE id = ?1 AND " LEFT_OUT " > 0"
static const char SQL_LEFT_OUT[] = NOTE_LEFT_OUT;
static const char SQL_LEFT_OUT_OF_TURN[] = NOTE_LEFT_OUT " AND turn_epoch = ?3";

struct image {
    char key[TT_STORE_KEY_SIZE];
    const char *extension;
    int64_t size;
    size_t statement; /* of its row in the job */
};

struct tt_image_files {
    struct tt_aux_job job;
    struct tt_chat *chat;
    struct tt_reply *reply;
    struct tt_image_room room;
    bool written, given_up; /* given up: by its owner, while the job runs */
    size_t count, left_out;
    struct image list[IMAGES_MAX];
    struct tt_err failed; /* why the last one was left out */
    void (*on_written)(void *arg);
    void *arg;
};

static void release(struct tt_image_files *images)
{
    tt_reply_unref(images->reply);
    free(images);
}

static void log_left_out(const struct tt_image_files *images, size_t count, const char *code)
{
    tt_log(TT_LOG_WARN, "images of a reply were not stored",
           TT_F_INT("message_id", tt_reply_message_id(images->reply)),
           TT_F_INT("user_id", tt_reply_user_id(images->reply)), TT_F_INT("count", (int64_t)count),
           TT_F_Z("code", code));
}

/* ---- writing, on an aux thread ---- */

static const char *extension_of(struct tt_str bytes)
{
    static const char *const known[][2] = {{"image/png", ".png"},
                                           {"image/jpeg", ".jpg"},
                                           {"image/gif", ".gif"},
                                           {"image/webp", ".webp"}};
    const char *type = tt_file_image_type(bytes);

    for (size_t i = 0; type && i < TT_COUNT(known); i++)
        if (strcmp(type, known[i][0]) == 0)
            return known[i][1];
    return ".bin";
}

/* The base64 of a data URL, perhaps in the form for addresses or without its padding. */
static int decode(struct tt_str url, struct tt_buf *bytes)
{
    ptrdiff_t comma = tt_str_find(url, ',');
    struct tt_str text = tt_str_of(url.data + comma + 1, url.len - (size_t)(comma + 1));
    struct tt_buf plain = {0};

    if (tt_base64_decode(text, TT_BASE64, bytes) == 0)
        return 0;
    while (text.len > 0 && text.data[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        tt_buf_putc(&plain, c == '+' ? '-' : c == '/' ? '_' : c);
    }
    int result = tt_base64_decode(tt_buf_str(&plain), TT_BASE64_URL, bytes);
    tt_buf_free(&plain);
    return result;
}

static int write_file(struct tt_store *store, struct tt_str bytes, struct image *image,
                      struct tt_err *err)
{
    struct tt_store_file *file = tt_store_create(store, bytes.len, err);

    if (!file)
        return -1;
    snprintf(image->key, sizeof(image->key), "%s", tt_store_file_key(file));
    image->extension = extension_of(bytes);
    image->size = (int64_t)bytes.len;
    if (tt_store_append(file, bytes, err) != 0) {
        tt_store_discard(file);
        return -1;
    }
    return tt_store_commit(file, err);
}

static int write_image(struct tt_image_files *images, struct tt_str url)
{
    struct tt_buf bytes = {0};
    int result;

    if (images->count == IMAGES_MAX)
        return tt_err_set(&images->failed, 0, "images_too_large", "more than %d", IMAGES_MAX);
    if (decode(url, &bytes) != 0 || bytes.len == 0)
        result = tt_err_set(&images->failed, 0, "image_unreadable", "no base64");
    else
        result = write_file(images->chat->store, tt_buf_str(&bytes), &images->list[images->count],
                            &images->failed);
    tt_buf_free(&bytes);
    return result;
}

static void write_all(struct tt_aux_job *job)
{
    struct tt_image_files *images = TT_CONTAINER_OF(job, struct tt_image_files, job);
    struct tt_json_value list = tt_reply_carried_images(images->reply), item;
    size_t cursor = 0;

    while (!tt_aux_cancelled(job) && tt_json_next(&list, &cursor, &item)) {
        struct tt_json_value part = tt_json_member(&item, TT_STR("\"image_url\""));
        struct tt_json_value url = tt_json_member(&part, TT_STR("\"url\""));
        if (url.type == TT_JSON_STRING &&
            write_image(images, tt_str_of(url.raw.data + 1, url.raw.len - 2)) == 0)
            images->count++;
        else
            images->left_out++;
    }
}

static void on_done(struct tt_aux_job *job)
{
    struct tt_image_files *images = TT_CONTAINER_OF(job, struct tt_image_files, job);

    if (images->given_up) {
        release(images);
        return;
    }
    images->written = true;
    if (images->left_out > 0)
        log_left_out(images, images->left_out, images->failed.code);
    tt_reply_leave_out_images(images->reply, (int)images->left_out);
    images->on_written(images->arg);
}

static void on_drop(struct tt_aux_job *job)
{
    struct tt_image_files *images = TT_CONTAINER_OF(job, struct tt_image_files, job);

    images->written = true; /* nothing comes any more */
    if (images->given_up)
        release(images);
}

struct tt_image_files *tt_image_files_write(struct tt_chat *chat, struct tt_reply *reply,
                                            const struct tt_image_room *room,
                                            void (*on_written)(void *arg), void *arg)
{
    struct tt_err err = {0};

    bool none = tt_reply_carried_images(reply).type != TT_JSON_ARRAY &&
                tt_reply_images_left_out(reply) == 0;

    if (!chat->store || room->user_bytes <= 0 || none)
        return NULL;
    struct tt_image_files *images = TT_NEW(struct tt_image_files);
    images->chat = chat;
    images->reply = tt_reply_ref(reply);
    images->room = *room;
    images->on_written = on_written;
    images->arg = arg;
    images->job = (struct tt_aux_job){.owner = (uint64_t)tt_reply_user_id(reply),
                                      .first = true,
                                      .run = write_all,
                                      .done = on_done,
                                      .drop = on_drop};
    if (tt_aux_submit(chat->file_aux, chat->loop, &images->job, &err) == 0)
        return images;
    log_left_out(images, 1, err.code);
    release(images);
    return NULL;
}

/* ---- the rows ---- */

static void add_one(struct tt_image_files *images, struct tt_db_job *job, struct image *image,
                    size_t number, int64_t turn_epoch)
{
    char now[TT_RFC3339_SIZE], name[64];
    int64_t message_id = tt_reply_message_id(images->reply);
    struct tt_db_value id = tt_db_int(message_id);
    struct tt_db_value key = tt_db_text(tt_str_from(image->key));

    tt_clock_format(tt_clock_wall_us(), now);
    snprintf(name, sizeof(name), "image-%lld-%zu%s", (long long)message_id, number,
             image->extension);
    struct tt_db_value row[] = {id,
                                tt_db_text(tt_str_from(name)),
                                key,
                                tt_db_int(image->size),
                                tt_db_text(tt_str_from(image->extension)),
                                tt_db_text(tt_str_from(now)),
                                tt_db_int(images->room.user_bytes),
                                tt_db_int(images->room.session_files),
                                tt_db_int(turn_epoch)};
    image->statement = tt_db_job_count(job);
    tt_db_job_add(job, turn_epoch ? TT_STR(SQL_INSERT_OF_TURN) : TT_STR(SQL_INSERT), row,
                  TT_COUNT(row) - (turn_epoch ? 0 : 1), -1);
    tt_db_job_add(job, TT_STR(SQL_COUNT_FILE), &key, 1, -1);
    tt_db_job_add(job, TT_STR(SQL_COUNT_BYTES), (struct tt_db_value[]){key, tt_db_int(image->size)},
                  2, -1);
    tt_db_job_add(job, TT_STR(SQL_NAME_FILE), (struct tt_db_value[]){id, key}, 2, -1);
}

void tt_image_files_add(struct tt_image_files *images, int64_t turn_epoch, struct tt_db_job *job)
{
    for (size_t i = 0; i < images->count; i++)
        add_one(images, job, &images->list[i], i + 1, turn_epoch);
    const struct tt_db_value values[] = {
        tt_db_int(tt_reply_message_id(images->reply)),
        tt_db_int((int64_t)images->count + tt_reply_images_left_out(images->reply)),
        tt_db_int(turn_epoch)};
    tt_db_job_add(job, turn_epoch ? TT_STR(SQL_LEFT_OUT_OF_TURN) : TT_STR(SQL_LEFT_OUT), values,
                  TT_COUNT(values) - (turn_epoch ? 0 : 1), -1);
}

void tt_image_files_committed(struct tt_image_files *images, const struct tt_db_job *job)
{
    struct tt_str removed[IMAGES_MAX];
    struct tt_buf ids = {0};
    size_t count = 0;

    for (size_t i = 0; i < images->count; i++) {
        struct tt_db_outcome outcome = tt_db_job_outcome(job, images->list[i].statement);
        if (outcome.changes == 0)
            removed[count++] = tt_str_from(images->list[i].key);
        else
            tt_buf_printf(&ids, "%s%lld", ids.len ? "," : "", (long long)outcome.insert_id);
    }
    tt_reply_add_files(images->reply, tt_buf_str(&ids));
    tt_buf_free(&ids);
    if (count == 0)
        return;
    log_left_out(images, count, "no_room");
    tt_reply_leave_out_images(images->reply, (int)count);
    tt_file_remove_start(images->chat->file_aux, images->chat->loop, images->chat->store, removed,
                         count, NULL, NULL, NULL);
}

void tt_image_files_free(struct tt_image_files *images)
{
    if (!images)
        return;
    if (images->written) {
        release(images);
        return;
    }
    images->given_up = true;
    tt_aux_cancel(&images->job);
}
