/* Images that came with a reply, stored as files of its message: their bytes are written when the
 * reply has been produced, their rows belong to the job of its end. Part of a running reply, see
 * running_reply.c; nothing else uses it. */
#pragma once
#include "chat/chat.h"
#include "reply/reply.h"

/* What files may take, see lua/files/files.lua. */
struct tt_image_room {
    int64_t user_bytes;    /* of all files of the user; 0 = images are not stored */
    int64_t session_files; /* of the session */
};

struct tt_image_files;

/* Writes the images that a PRODUCED reply carries; one of unknown bytes is a file like others.
 * `on_written` comes later, and what could not be written is logged by then. NULL: it has none, or
 * they cannot be written now (which is logged). Owns: the caller, tt_image_files_free. Thread:
 * worker, as for all of this. */
struct tt_image_files *tt_image_files_write(struct tt_chat *chat, struct tt_reply *reply,
                                            const struct tt_image_room *room,
                                            void (*on_written)(void *arg), void *arg);

/* Adds the rows of what is written to the job of the reply's end, as far as there is room.
 * `turn_epoch`: as of the end, see chat/reply_store.h. */
void tt_image_files_add(struct tt_image_files *images, int64_t turn_epoch, struct tt_db_job *job);

/* The job is committed: the reply learns of its files, and what got no row is removed. */
void tt_image_files_committed(struct tt_image_files *images, const struct tt_db_job *job);

/* At any time; NULL is harmless. Files without a row are swept at the next start. */
void tt_image_files_free(struct tt_image_files *images);
