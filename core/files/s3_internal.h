/* What the files of the S3 client share. Nothing outside core/files/s3*.c includes this. */
#pragma once
#include "files/s3.h"

struct tt_s3_request {
    const char *method;
    const char *name;   /* of an object; NULL = the bucket */
    const char *query;  /* encoded and sorted, as the signature wants it; NULL = none */
    struct tt_str body; /* to send, or, with fd >= 0: */
    int fd;             /* `size` bytes of it from `offset` on; -1 = the body */
    uint64_t offset, size;
    const char *range;  /* "0-99", or NULL */
    int out_fd;         /* what comes goes there, or, with -1: */
    struct tt_buf *out; /* there; NULL = nowhere */
    bool is_new;        /* it makes an object: the setting for encryption counts */
};

struct tt_s3_answer {
    long status;
    uint64_t whole; /* size of the whole object, of Content-Range or Content-Length */
    char etag[130];
};

/* Fails like the functions of s3.h; any status but 2xx is a failure. Answer: the last one's. */
int tt_s3_perform(struct tt_s3 *s3, const struct tt_s3_request *request,
                  struct tt_s3_answer *answer, struct tt_err *err);

/* Calls `on_text` for each element of a document that ends, with the text directly in it. False: it
 * is no XML, or it has a document type. */
bool tt_s3_xml_each(struct tt_str xml,
                    void (*on_text)(void *arg, const char *element, struct tt_str text), void *arg);
const char *tt_s3_prefix(const struct tt_s3 *s3);
