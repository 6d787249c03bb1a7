/* The body of an upload on its way in: multipart parts are taken apart as they arrive, the part
 * `file` goes to disk, small fields are kept. The file is a temporary one until the handler keeps
 * it (tide.files.keep), and is thrown away with the exchange otherwise. Thread: worker. */
#pragma once
#include "http/http.h"
#include "tide/tide.h"

struct tt_intake;

/* For the body of an exchange, whose head has come. Owns: the caller; lives in the exchange's arena
 * until tt_intake_close. Fails: NULL with "unsupported_media_type" (415), "multipart_invalid"
 * (400).
 */
struct tt_intake *tt_intake_open(struct tt_http_exchange *exchange, struct tt_tide *tide,
                                 struct tt_err *err);

/* The next bytes of the body. Pauses the body while much waits to be written. Fails: what the
 * parser and the writing of the file say. */
int tt_intake_feed(struct tt_intake *intake, struct tt_str bytes, struct tt_err *err);

/* The body is complete. Fails: as tt_intake_feed. */
int tt_intake_end(struct tt_intake *intake, struct tt_err *err);

/* The exchange ends. Harmless without an intake. */
void tt_intake_close(struct tt_intake *intake);

/* Push req.upload (nil when no file came) and req.fields; nil without an intake. */
void tt_intake_push_upload(lua_State *L, struct tt_intake *intake);
void tt_intake_push_fields(lua_State *L, struct tt_intake *intake);

/* ---- for tide.files ---- */

/* The intake behind the upload at index, NULL when its request has ended; raises when it is none.
 */
struct tt_intake *tt_intake_check(lua_State *L, int index);

/* Commits the file. on_kept once, on the loop, with its storage key or an error; not after
 * tt_intake_forget. Fails: what the upload says; "conflict" when it is kept already. */
int tt_intake_keep(struct tt_intake *intake,
                   void (*on_kept)(void *arg, const char *key, const struct tt_err *err), void *arg,
                   struct tt_err *err);
/* Nobody waits any more: the file goes away. */
void tt_intake_forget(struct tt_intake *intake);
