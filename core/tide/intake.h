/* The body of an upload as it arrives: it is parsed into multipart parts, the part `file` is
 * written to disk, small fields are kept in memory. The file is temporary until the handler keeps
 * it (tide.files.store), and is otherwise deleted with the exchange. Thread: worker. */
#pragma once
#include "http/http.h"
#include "tide/tide.h"

struct tt_intake;

/* For the body of an exchange whose head has arrived. Owns: the caller; it is in the exchange's
 * arena and valid until tt_intake_close. Fails: NULL with "unsupported_media_type" (415),
 * "multipart_invalid" (400). */
struct tt_intake *tt_intake_open(struct tt_http_exchange *exchange, struct tt_tide *tide,
                                 struct tt_err *err);

/* Takes the next bytes of the body. Pauses the body while much waits to be written. Fails: with the
 * errors of the parser and of writing the file. */
int tt_intake_feed(struct tt_intake *intake, struct tt_str bytes, struct tt_err *err);

/* The body is complete. Fails: as tt_intake_feed. */
int tt_intake_end(struct tt_intake *intake, struct tt_err *err);

/* The exchange ends. Harmless without an intake. */
void tt_intake_close(struct tt_intake *intake);

/* Push req.upload (nil if no file came) and req.fields; nil without an intake. */
void tt_intake_push_upload(lua_State *L, struct tt_intake *intake);
void tt_intake_push_fields(lua_State *L, struct tt_intake *intake);

/* ---- for tide.files ---- */

/* The intake behind the upload at index, NULL if its request has ended; raises if the value is not
 * an upload. */
struct tt_intake *tt_intake_check(lua_State *L, int index);

/* Commits the file. on_kept is called once, on the loop, with its storage key or an error; not
 * after tt_intake_forget. Fails: with the upload's errors; "conflict" if it is kept already. */
int tt_intake_keep(struct tt_intake *intake,
                   void (*on_kept)(void *arg, const char *key, const struct tt_err *err), void *arg,
                   struct tt_err *err);
/* Nobody waits any more: the file is removed. */
void tt_intake_forget(struct tt_intake *intake);
