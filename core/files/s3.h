/* Objects in a bucket of Amazon S3, or of a server that speaks its API: path-style addresses,
 * requests signed by curl (AWS Signature Version 4) over the SHA-256 of what is sent, so the other
 * side checks every byte. What may be repeated is tried three times. Everything blocks, so it
 * belongs on aux threads; a request that stands still ends after 20 s. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

struct tt_s3_settings {
    const char *endpoint; /* "https://s3.eu-central-1.amazonaws.com", no path */
    const char *bucket;   /* as tt_s3_bucket_valid wants it */
    const char *prefix;   /* of every name: "" or "folder/"; likewise */
    const char *region;   /* "us-east-1" */
    const char *access_key;
    const char *secret_key;
    const char *encryption; /* of x-amz-server-side-encryption; "" = the bucket's default */
    const char *ca_file;    /* "" = the system's */
};

struct tt_s3;

/* "bucket", or "bucket/folder/folder": letters, digits, '.', '-' and '_'. Thread: any. */
bool tt_s3_bucket_valid(struct tt_str bucket_and_prefix);

/* Copies the settings. Asks nobody. Owns: the caller, tt_s3_free when no thread uses it. Thread:
 * any. */
struct tt_s3 *tt_s3_new(const struct tt_s3_settings *settings);
void tt_s3_free(struct tt_s3 *s3);
/* From now on requests fail, also those under way. Thread: any. */
void tt_s3_stop(struct tt_s3 *s3);

/* All fail with "store_unavailable" (503: not reached, or it is overloaded), "store_failed" (500:
 * it refused; the text has its code and message) or, where named, "file_missing" (404). Thread:
 * any, blocks. */

/* Writes an object of `size` bytes, which are those of `fd` from its start; large ones in parts.
 * The object is there whole when it returns 0, and before that not at all. */
int tt_s3_put(struct tt_s3 *s3, const char *name, int fd, uint64_t size, struct tt_err *err);

/* Appends at most `length` bytes from `offset` on: fewer, or none, where the object ends. `size`
 * (may be NULL) is that of the whole. Fails: "file_missing", "file_too_large" (413) beyond
 * out->max; out is unchanged then. */
int tt_s3_read(struct tt_s3 *s3, const char *name, uint64_t offset, uint64_t length,
               struct tt_buf *out, uint64_t *size, struct tt_err *err);

/* Writes the whole object to `fd`, from its start. Fails: "file_missing", "disk_full". */
int tt_s3_read_to(struct tt_s3 *s3, const char *name, int fd, uint64_t *size, struct tt_err *err);

/* One that is not there is no error. */
int tt_s3_remove(struct tt_s3 *s3, const char *name, struct tt_err *err);

struct tt_s3_object {
    struct tt_str name; /* without the prefix; valid during the call */
    uint64_t size;
    int64_t modified_us;
};
/* Calls `visit` for every object below the prefix, in order of names, until it returns false. */
int tt_s3_list(struct tt_s3 *s3, bool (*visit)(void *arg, const struct tt_s3_object *object),
               void *arg, struct tt_err *err);
