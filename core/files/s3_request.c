/* One signed request, with its tries. Handles of curl are kept, because a new connection with TLS
 * costs more than the request. curl signs the query as it is given: it must be sorted and encoded
 * already. */
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "files/s3_internal.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define IDLE_MAX      8
#define TRIES         3
#define WAIT_MS       200 /* before the second try; four times as long before the third */
#define CONNECT_MS    5000L
#define SILENCE_S     20L
#define ERROR_BYTES   65536
#define ADDRESS_BYTES 2048

struct tt_s3 {
    struct tt_s3_settings settings; /* of copies */
    pthread_mutex_t lock;
    CURL *idle[IDLE_MAX]; /* under the lock */
    int idle_count;
    atomic_bool stopped;
};

/* One try. */
struct attempt {
    struct tt_s3 *s3;
    const struct tt_s3_request *request;
    CURL *easy;
    uint64_t sent;
    uint64_t written;     /* to out_fd */
    struct tt_buf failed; /* body of an answer that is none of 2xx */
    struct tt_err err;    /* of writing what came */
};

/* ---- the client ---- */

static bool is_segment(struct tt_str segment)
{
    bool dots = true;

    for (size_t i = 0; i < segment.len; i++) {
        char c = segment.data[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && c != '-' && c != '.' && c != '_')
            return false;
        dots = dots && c == '.';
    }
    return !dots; /* "", "." and ".." are none */
}

bool tt_s3_bucket_valid(struct tt_str bucket_and_prefix)
{
    size_t begin = 0;

    for (size_t i = 0; i <= bucket_and_prefix.len; i++) {
        if (i < bucket_and_prefix.len && bucket_and_prefix.data[i] != '/')
            continue;
        if (!is_segment(tt_str_of(bucket_and_prefix.data + begin, i - begin)))
            return false;
        begin = i + 1;
    }
    return bucket_and_prefix.len >= 3 && bucket_and_prefix.len < 300;
}

static char *copy_of(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(tt_alloc(size), text, size);
}

struct tt_s3 *tt_s3_new(const struct tt_s3_settings *settings)
{
    struct tt_s3 *s3 = TT_NEW(struct tt_s3);

    curl_global_init(CURL_GLOBAL_DEFAULT); /* counted: the client for upstreams does the same */
    pthread_mutex_init(&s3->lock, NULL);
    s3->settings = (struct tt_s3_settings){
        .endpoint = copy_of(settings->endpoint),
        .bucket = copy_of(settings->bucket),
        .prefix = copy_of(settings->prefix),
        .region = copy_of(settings->region),
        .access_key = copy_of(settings->access_key),
        .secret_key = copy_of(settings->secret_key),
        .encryption = copy_of(settings->encryption),
        .ca_file = copy_of(settings->ca_file),
    };
    return s3;
}

void tt_s3_free(struct tt_s3 *s3)
{
    if (!s3)
        return;
    for (int i = 0; i < s3->idle_count; i++)
        curl_easy_cleanup(s3->idle[i]);
    explicit_bzero((char *)s3->settings.secret_key, strlen(s3->settings.secret_key));
    const char *const copies[] = {s3->settings.endpoint,   s3->settings.bucket,
                                  s3->settings.prefix,     s3->settings.region,
                                  s3->settings.access_key, s3->settings.secret_key,
                                  s3->settings.encryption, s3->settings.ca_file};
    for (size_t i = 0; i < TT_COUNT(copies); i++)
        free((char *)copies[i]);
    pthread_mutex_destroy(&s3->lock);
    curl_global_cleanup();
    free(s3);
}

void tt_s3_stop(struct tt_s3 *s3)
{
    atomic_store(&s3->stopped, true);
}

const char *tt_s3_prefix(const struct tt_s3 *s3)
{
    return s3->settings.prefix;
}

static CURL *take(struct tt_s3 *s3)
{
    pthread_mutex_lock(&s3->lock);
    CURL *easy = s3->idle_count > 0 ? s3->idle[--s3->idle_count] : NULL;
    pthread_mutex_unlock(&s3->lock);
    return easy ? easy : curl_easy_init();
}

static void give_back(struct tt_s3 *s3, CURL *easy)
{
    pthread_mutex_lock(&s3->lock);
    bool kept = s3->idle_count < IDLE_MAX;
    if (kept)
        s3->idle[s3->idle_count++] = easy;
    pthread_mutex_unlock(&s3->lock);
    if (!kept)
        curl_easy_cleanup(easy);
}

/* ---- one try ---- */

static size_t on_send(char *to, size_t size, size_t count, void *arg)
{
    struct attempt *attempt = arg;
    const struct tt_s3_request *request = attempt->request;
    uint64_t left = request->size - attempt->sent;
    size_t room = size * count;
    ssize_t n = pread(request->fd, to, left < room ? (size_t)left : room,
                      (off_t)(request->offset + attempt->sent));

    if (n < 0)
        return CURL_READFUNC_ABORT;
    attempt->sent += (uint64_t)n;
    return (size_t)n;
}

/* curl begins again by itself when a connection that it had kept turns out to be closed. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct attempt *attempt = arg;

    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    attempt->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* 0, or -1 with the attempt's error. */
static int keep(struct attempt *attempt, struct tt_str bytes)
{
    const struct tt_s3_request *request = attempt->request;

    if (request->out_fd < 0 && request->out && tt_buf_append_str(request->out, bytes) != 0)
        return tt_err_set(&attempt->err, 413, "file_too_large",
                          "an object is longer than the room for it");
    while (request->out_fd >= 0 && bytes.len > 0) {
        ssize_t n = pwrite(request->out_fd, bytes.data, bytes.len, (off_t)attempt->written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tt_err_set(&attempt->err, errno == ENOSPC || errno == EDQUOT ? 507 : 500,
                              errno == ENOSPC || errno == EDQUOT ? "disk_full" : "store_failed",
                              "writing an object to the disk: %s", strerror(errno));
        attempt->written += (uint64_t)n;
        bytes.data += n;
        bytes.len -= (size_t)n;
    }
    return 0;
}

static size_t on_receive(char *data, size_t size, size_t count, void *arg)
{
    struct attempt *attempt = arg;
    long status = 0;
    struct tt_str bytes = tt_str_of(data, size * count);

    curl_easy_getinfo(attempt->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300)
        return keep(attempt, bytes) == 0 ? bytes.len : 0;
    if (attempt->failed.len + bytes.len <= ERROR_BYTES)
        tt_buf_append_str(&attempt->failed, bytes);
    return bytes.len;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct attempt *attempt = arg;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&attempt->s3->stopped); /* not 0 ends it */
}

static void write_address(const struct tt_s3 *s3, const struct tt_s3_request *request,
                          char out[ADDRESS_BYTES])
{
    snprintf(out, ADDRESS_BYTES, "%s/%s%s%s%s%s%s", s3->settings.endpoint, s3->settings.bucket,
             request->name ? "/" : "", request->name ? s3->settings.prefix : "",
             request->name ? request->name : "", request->query ? "?" : "",
             request->query ? request->query : "");
}

/* Owns: the caller, curl_slist_free_all. NULL: what is to be sent cannot be read. */
static struct curl_slist *make_headers(const struct tt_s3 *s3, const struct tt_s3_request *request)
{
    char hash[TT_SHA256_SIZE * 2 + 1], line[300];

    if (request->fd < 0)
        tt_sha256_hex(request->body, hash);
    else if (tt_sha256_hex_of_file(request->fd, request->offset, request->size, hash) != 0)
        return NULL;
    snprintf(line, sizeof(line), "x-amz-content-sha256: %s", hash);
    struct curl_slist *headers = curl_slist_append(NULL, line);
    headers = curl_slist_append(headers, "Content-Type: application/octet-stream");
    if (request->is_new && *s3->settings.encryption) {
        snprintf(line, sizeof(line), "x-amz-server-side-encryption: %s", s3->settings.encryption);
        headers = curl_slist_append(headers, line);
    }
    return headers;
}

static void describe(struct attempt *attempt, struct curl_slist *headers,
                     char address[ADDRESS_BYTES])
{
    const struct tt_s3_settings *settings = &attempt->s3->settings;
    const struct tt_s3_request *request = attempt->request;
    CURL *easy = attempt->easy;
    char signing[200];

    snprintf(signing, sizeof(signing), "aws:amz:%s:s3", settings->region);
    curl_easy_setopt(easy, CURLOPT_URL, address);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, signing);
    curl_easy_setopt(easy, CURLOPT_USERNAME, settings->access_key);
    curl_easy_setopt(easy, CURLOPT_PASSWORD, settings->secret_key);
    if (*settings->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca_file);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "TideTalk/" TT_VERSION);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* that of the environment counts for nothing */
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->fd >= 0) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->size);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
        curl_easy_setopt(easy, CURLOPT_READDATA, attempt);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, attempt);
    } else if (strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.data ? request->body.data : "");
    }
    if (request->range)
        curl_easy_setopt(easy, CURLOPT_RANGE, request->range);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_receive);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, attempt);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, attempt);
}

/* ---- what came of it ---- */

struct refusal {
    char code[80], message[200];
};

static void on_refusal(void *arg, const char *element, struct tt_str text)
{
    struct refusal *refusal = arg;
    if (strcmp(element, "Code") == 0 && !refusal->code[0])
        snprintf(refusal->code, sizeof(refusal->code), "%.*s", TT_STR_ARG(text));
    else if (strcmp(element, "Message") == 0 && !refusal->message[0])
        snprintf(refusal->message, sizeof(refusal->message), "%.*s", TT_STR_ARG(text));
}

static int refuse(const struct attempt *attempt, long status, struct tt_err *err)
{
    const struct tt_s3_request *request = attempt->request;
    struct refusal refusal = {{0}, {0}};
    bool later = status == 429 || status >= 500;

    tt_s3_xml_each(tt_buf_str(&attempt->failed), on_refusal, &refusal);
    if (status == 404 && request->name && strcmp(refusal.code, "NoSuchBucket") != 0)
        return tt_err_set(err, 404, "file_missing", "no such file in the store");
    return tt_err_set(err, later ? 503 : 500, later ? "store_unavailable" : "store_failed",
                      "S3 answered %s %s with %ld %s: %s", request->method,
                      request->name ? "of a file" : "of the bucket", status, refusal.code,
                      refusal.message);
}

static void read_answer(struct attempt *attempt, struct tt_s3_answer *answer)
{
    struct curl_header *header;
    curl_off_t length = -1;

    *answer = (struct tt_s3_answer){0};
    curl_easy_getinfo(attempt->easy, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(attempt->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    answer->whole = length > 0 ? (uint64_t)length : 0;
    if (curl_easy_header(attempt->easy, "Content-Range", 0, CURLH_HEADER, -1, &header) ==
        CURLHE_OK) {
        const char *slash = strrchr(header->value, '/');
        answer->whole = slash ? strtoull(slash + 1, NULL, 10) : 0;
    }
    if (curl_easy_header(attempt->easy, "ETag", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
        snprintf(answer->etag, sizeof(answer->etag), "%.129s", header->value);
}

static int perform_once(struct tt_s3 *s3, const struct tt_s3_request *request,
                        struct tt_s3_answer *answer, struct tt_err *err)
{
    struct attempt attempt = {.s3 = s3, .request = request, .easy = take(s3)};
    char address[ADDRESS_BYTES];
    struct curl_slist *headers = make_headers(s3, request);
    int rc = -1;

    if (!attempt.easy || !headers) {
        tt_err_set(err, 500, "store_failed", "a request to S3 could not be made: %s",
                   strerror(errno));
    } else {
        write_address(s3, request, address);
        describe(&attempt, headers, address);
        CURLcode code = curl_easy_perform(attempt.easy);
        read_answer(&attempt, answer);
        if (attempt.err.status)
            *err = attempt.err;
        else if (code != CURLE_OK)
            tt_err_set(err, 503, "store_unavailable", "S3 at %.150s: %s", s3->settings.endpoint,
                       curl_easy_strerror(code));
        else if (answer->status < 200 || answer->status > 299)
            refuse(&attempt, answer->status, err);
        else
            rc = 0;
    }
    curl_slist_free_all(headers);
    tt_buf_free(&attempt.failed);
    if (attempt.easy) {
        curl_easy_reset(attempt.easy); /* keeps its connections */
        give_back(s3, attempt.easy);
    }
    return rc;
}

int tt_s3_perform(struct tt_s3 *s3, const struct tt_s3_request *request,
                  struct tt_s3_answer *answer, struct tt_err *err)
{
    size_t had = request->out ? request->out->len : 0;
    long wait_ms = WAIT_MS;
    struct tt_err failure; /* *err stays as it is when a later try succeeds */

    for (int count = 1;; count++, wait_ms *= 4) {
        if (perform_once(s3, request, answer, &failure) == 0)
            return 0;
        if (request->out)
            tt_buf_truncate(request->out, had);
        if (count == TRIES || failure.status != 503 || atomic_load(&s3->stopped))
            break;
        tt_log(TT_LOG_WARN, "a request to S3 is made again", TT_F_Z("error", failure.message));
        nanosleep(&(struct timespec){wait_ms / 1000, wait_ms % 1000 * 1000000}, NULL);
    }
    if (err)
        *err = failure;
    return -1;
}
