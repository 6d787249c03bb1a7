/* The operations on objects, each one signed request; writing in parts and lists are several. */
#include "files/s3.h"

#include "base/clock.h"
#include "base/url.h"
#include "files/s3_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PART_BYTES                                                                                 \
    ((uint64_t)16 << 20) /* larger ones are sent in parts of it; S3 wants 5 MiB at least */

/* ---- writing ---- */

static void on_upload_id(void *arg, const char *element, struct tt_str text)
{
    if (strcmp(element, "UploadId") == 0)
        tt_url_encode(text, arg);
}

/* The parts of an upload; their tags as the last request wants them. */
static int put_parts(struct tt_s3 *s3, const char *name, int fd, uint64_t size, const char *upload,
                     struct tt_buf *tags, struct tt_err *err)
{
    char query[1400];

    for (uint64_t offset = 0, number = 1; offset < size; offset += PART_BYTES, number++) {
        struct tt_s3_answer answer;
        snprintf(query, sizeof(query), "partNumber=%" PRIu64 "&uploadId=%s", number, upload);
        uint64_t left = size - offset;
        struct tt_s3_request part = {.method = "PUT",
                                     .name = name,
                                     .query = query,
                                     .fd = fd,
                                     .offset = offset,
                                     .size = left < PART_BYTES ? left : PART_BYTES,
                                     .out_fd = -1};
        if (tt_s3_perform(s3, &part, &answer, err) != 0)
            return -1;
        tt_buf_printf(tags, "<Part><PartNumber>%" PRIu64 "</PartNumber><ETag>%s</ETag></Part>",
                      number, answer.etag);
    }
    return 0;
}

static void on_error_element(void *arg, const char *element, struct tt_str text)
{
    if (strcmp(element, "Code") == 0)
        tt_buf_append_str(arg, text);
}

/* S3 may answer 200 and tell the failure in the body: it began to answer before it was done. */
static int check_completed(struct tt_str answer, struct tt_err *err)
{
    struct tt_buf code = {0};
    int rc = 0;

    if (!tt_s3_xml_each(answer, on_error_element, &code) || code.len > 0)
        rc =
            tt_err_set(err, 503, "store_unavailable", "S3 could not join the parts of a file: %.*s",
                       (int)code.len, code.data ? code.data : "no answer that is XML");
    tt_buf_free(&code);
    return rc;
}

static int complete(struct tt_s3 *s3, const char *name, const char *query,
                    const struct tt_buf *tags, struct tt_err *err)
{
    struct tt_buf body = {0}, out = {0};
    struct tt_s3_answer answer;

    tt_buf_printf(&body,
                  "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">%.*s"
                  "</CompleteMultipartUpload>",
                  (int)tags->len, tags->data);
    struct tt_s3_request request = {
        .method = "POST", .name = name, .query = query, .fd = -1, .out_fd = -1};
    request.body = tt_buf_str(&body);
    request.out = &out;
    int rc = tt_s3_perform(s3, &request, &answer, err);
    if (rc == 0)
        rc = check_completed(tt_buf_str(&out), err);
    tt_buf_free(&body);
    tt_buf_free(&out);
    return rc;
}

static int put_in_parts(struct tt_s3 *s3, const char *name, int fd, uint64_t size,
                        struct tt_err *err)
{
    struct tt_buf out = {0}, upload = {0}, tags = {0};
    struct tt_s3_answer answer;
    char query[1400];
    struct tt_s3_request begin = {
        .method = "POST", .name = name, .query = "uploads=", .fd = -1, .out_fd = -1};

    begin.out = &out;
    begin.is_new = true;
    int rc = tt_s3_perform(s3, &begin, &answer, err);
    if (rc == 0 && (!tt_s3_xml_each(tt_buf_str(&out), on_upload_id, &upload) || upload.len == 0 ||
                    upload.len > 1200))
        rc = tt_err_set(err, 500, "store_failed", "S3 gave no id for the parts of a file");
    if (rc == 0) {
        snprintf(query, sizeof(query), "uploadId=%s", upload.data);
        rc = put_parts(s3, name, fd, size, upload.data, &tags, err);
        if (rc == 0)
            rc = complete(s3, name, query, &tags, err);
        if (rc != 0) {
            struct tt_err ignored;
            struct tt_s3_request abort = {
                .method = "DELETE", .name = name, .query = query, .fd = -1, .out_fd = -1};
            tt_s3_perform(s3, &abort, &answer, &ignored); /* or the parts stay, and cost */
        }
    }
    tt_buf_free(&out);
    tt_buf_free(&upload);
    tt_buf_free(&tags);
    return rc;
}

int tt_s3_put(struct tt_s3 *s3, const char *name, int fd, uint64_t size, struct tt_err *err)
{
    struct tt_s3_answer answer;
    struct tt_s3_request request = {
        .method = "PUT", .name = name, .fd = fd, .size = size, .out_fd = -1};

    request.is_new = true;
    return size > 2 * PART_BYTES ? put_in_parts(s3, name, fd, size, err)
                                 : tt_s3_perform(s3, &request, &answer, err);
}

/* ---- reading and removing ---- */

int tt_s3_read(struct tt_s3 *s3, const char *name, uint64_t offset, uint64_t length,
               struct tt_buf *out, uint64_t *size, struct tt_err *err)
{
    struct tt_s3_answer answer = {0};
    struct tt_err failure;
    char range[50];
    struct tt_s3_request request = {
        .method = "GET", .name = name, .fd = -1, .out_fd = -1, .range = range};
    uint64_t last = length > UINT64_MAX - offset ? UINT64_MAX : offset + length;

    request.out = out;
    if (length == 0)
        request.range = "0-0", request.out = NULL; /* only the size is wanted */
    else
        snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64, offset, last - 1);
    int rc = tt_s3_perform(s3, &request, &answer, &failure);
    if (rc != 0 && answer.status == 416)
        rc = 0; /* nothing is there */
    else if (rc != 0 && err)
        *err = failure;
    else if (rc == 0 && answer.status == 200 && offset > 0)
        rc = tt_err_set(err, 500, "store_failed", "S3 ignores ranges");
    if (rc == 0 && size)
        *size = answer.whole;
    return rc;
}

int tt_s3_read_to(struct tt_s3 *s3, const char *name, int fd, uint64_t *size, struct tt_err *err)
{
    struct tt_s3_answer answer;
    struct tt_s3_request request = {.method = "GET", .name = name, .fd = -1, .out_fd = fd};

    if (tt_s3_perform(s3, &request, &answer, err) != 0)
        return -1;
    *size = answer.whole;
    return 0;
}

int tt_s3_remove(struct tt_s3 *s3, const char *name, struct tt_err *err)
{
    struct tt_s3_answer answer;
    struct tt_err failure;
    struct tt_s3_request request = {.method = "DELETE", .name = name, .fd = -1, .out_fd = -1};

    if (tt_s3_perform(s3, &request, &answer, &failure) == 0 || failure.status == 404)
        return 0;
    if (err)
        *err = failure;
    return -1;
}

/* ---- lists ---- */

struct page {
    bool (*visit)(void *arg, const struct tt_s3_object *object);
    void *arg;
    struct tt_str prefix;
    struct tt_buf name, token; /* of the object that is read; of the next page */
    uint64_t size;
    int64_t modified_us;
    bool ended; /* the visitor has enough */
};

static void on_listed(void *arg, const char *element, struct tt_str text)
{
    struct page *page = arg;

    if (strcmp(element, "Key") == 0) {
        tt_buf_clear(&page->name);
        tt_buf_append_str(&page->name, text);
    } else if (strcmp(element, "Size") == 0) {
        tt_str_to_u64(text, &page->size);
    } else if (strcmp(element, "LastModified") == 0) {
        tt_clock_parse(text.data, text.len, &page->modified_us);
    } else if (strcmp(element, "NextContinuationToken") == 0) {
        tt_url_encode(text, &page->token);
    } else if (strcmp(element, "Contents") == 0 && !page->ended) {
        struct tt_str name = tt_buf_str(&page->name);
        if (tt_str_starts(name, page->prefix)) {
            name = tt_str_of(name.data + page->prefix.len, name.len - page->prefix.len);
            page->ended = !page->visit(page->arg,
                                       &(struct tt_s3_object){name, page->size, page->modified_us});
        }
        page->size = 0;
        page->modified_us = 0;
    }
}

static int list_page(struct tt_s3 *s3, struct page *page, struct tt_err *err)
{
    struct tt_buf query = {0}, out = {0};
    struct tt_s3_answer answer;
    struct tt_s3_request request = {.method = "GET", .fd = -1, .out_fd = -1};

    if (page->token.len > 0)
        tt_buf_printf(&query, "continuation-token=%.*s&", (int)page->token.len, page->token.data);
    tt_buf_append_z(&query, "list-type=2&prefix=");
    tt_url_encode(page->prefix, &query);
    tt_buf_clear(&page->token);
    request.query = query.data;
    request.out = &out;
    int rc = tt_s3_perform(s3, &request, &answer, err);
    if (rc == 0 && !tt_s3_xml_each(tt_buf_str(&out), on_listed, page))
        rc = tt_err_set(err, 500, "store_failed",
                        "S3's list of the bucket is no XML that can be read");
    tt_buf_free(&query);
    tt_buf_free(&out);
    return rc;
}

int tt_s3_list(struct tt_s3 *s3, bool (*visit)(void *arg, const struct tt_s3_object *object),
               void *arg, struct tt_err *err)
{
    struct page page = {.visit = visit, .arg = arg, .prefix = tt_str_from(tt_s3_prefix(s3))};
    int rc;

    do
        rc = list_page(s3, &page, err);
    while (rc == 0 && !page.ended && page.token.len > 0);
    tt_buf_free(&page.name);
    tt_buf_free(&page.token);
    return rc;
}
