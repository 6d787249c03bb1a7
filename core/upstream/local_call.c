/* A separate handle for each request: callers here make one request. Headers that curl adds by
 * itself are removed, so that tests define exactly what is sent. */
#include "upstream/local_call.h"

#include "upstream/client_internal.h"

#include <sys/un.h>

#define ANSWER_MAX (16u << 20)

struct answer {
    struct tt_buf head, body;
    bool head_over;
};

static size_t on_head_line(char *data, size_t size, size_t count, void *arg)
{
    struct answer *answer = arg;
    struct tt_str line = tt_str_of(data, size * count);

    if (tt_str_starts(line, TT_STR("HTTP/"))) {
        tt_buf_clear(&answer->head); /* what came before was a 1xx head */
        answer->head_over = false;
    } else if (tt_str_trim(line).len == 0) {
        answer->head_over = true;
    } else if (tt_buf_append_str(&answer->head, line) != 0) {
        return 0;
    }
    return line.len;
}

static size_t on_bytes(char *data, size_t size, size_t count, void *arg)
{
    struct answer *answer = arg;
    return tt_buf_append(&answer->body, data, size * count) == 0 ? size * count : 0;
}

/* Where the address leads, as curl wants to have it. */
static int set_address(CURL *easy, const char *address, struct tt_err *err)
{
    static const struct {
        const char *any, *loopback;
    } hosts[] = {{"0.0.0.0:", "127.0.0.1:"}, {"[::]:", "[::1]:"}};
    char url[300];
    const char *path = address + 5;

    if (strncmp(address, "unix:", 5) == 0) {
        if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
            return tt_err_set(err, 0, "not_reachable", "%s: the path is too long", path);
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, path);
        curl_easy_setopt(easy, CURLOPT_URL, "http://localhost");
        return 0;
    }
    if (!strchr(address, ':'))
        return tt_err_set(err, 0, "not_reachable", "%s: no port", address);
    snprintf(url, sizeof(url), "http://%s", address);
    for (size_t i = 0; i < TT_COUNT(hosts); i++)
        if (strncmp(address, hosts[i].any, strlen(hosts[i].any)) == 0)
            snprintf(url, sizeof(url), "http://%s%s", hosts[i].loopback,
                     address + strlen(hosts[i].any));
    curl_easy_setopt(easy, CURLOPT_URL, url);
    return 0;
}

/* curl adds a header of its own unless the list names it; "Name:" alone sends none. */
static struct curl_slist *make_headers(struct tt_str lines)
{
    static const char *const own[] = {"Host: localhost", "Connection: close",
                                      "Accept:", "Content-Type:", "Expect:"};
    struct curl_slist *list = NULL;
    struct tt_str line;

    for (size_t i = 0; i < TT_COUNT(own); i++)
        list = curl_slist_append(list, own[i]);
    while (lines.len > 0 && tt_str_split(&lines, '\n', &line)) {
        struct tt_buf text = {0};
        line = tt_str_trim(line);
        tt_buf_append_str(&text, line);
        if (line.len > 0 && line.data[line.len - 1] == ':')
            text.data[text.len - 1] = ';'; /* how curl sends an empty one */
        if (line.len > 0)
            list = curl_slist_append(list, text.data);
        if (text.data)
            explicit_bzero(text.data, text.len);
        tt_buf_free(&text);
    }
    return list;
}

static void free_headers(struct curl_slist *list)
{
    for (struct curl_slist *item = list; item; item = item->next)
        explicit_bzero(item->data, strlen(item->data));
    curl_slist_free_all(list);
}

static void set_request(CURL *easy, const struct tt_local_request *request, struct answer *answer)
{
    tt_easy_set_method(easy, request->method, request->body);
    curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, request->path);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)request->limit_s);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)request->limit_s);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head_line);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, answer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
}

static int fail(CURL *easy, const char *address, CURLcode code, struct tt_err *err)
{
    long reason = 0;

    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &reason);
    if (code == CURLE_COULDNT_CONNECT && reason)
        return tt_err_set(err, 0, "not_reachable", "%s: %s", address, strerror((int)reason));
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
        code == CURLE_URL_MALFORMAT)
        return tt_err_set(err, 0, "not_reachable", "%s: %s", address, curl_easy_strerror(code));
    return tt_err_set(err, 0, "not_reachable", "%s: no whole answer came", address);
}

int tt_local_send(const struct tt_local_request *request, struct tt_buf *head, struct tt_buf *body,
                  struct tt_err *err)
{
    struct answer answer = {.head.max = ANSWER_MAX, .body.max = ANSWER_MAX};
    struct curl_slist *headers = make_headers(request->headers);
    CURL *easy = tt_easy_new();
    long status = -1;

    if (!easy)
        tt_err_set(err, 0, "not_reachable", "%s: no memory to ask", request->address);
    if (!easy || set_address(easy, request->address, err) != 0)
        goto out;
    set_request(easy, request, &answer);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    CURLcode code = curl_easy_perform(easy);
    if (code != CURLE_OK || !answer.head_over) {
        fail(easy, request->address, code, err);
        goto out;
    }
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (head)
        tt_buf_append_str(head, tt_buf_str(&answer.head));
    tt_buf_append_str(body, tt_buf_str(&answer.body));
out:
    curl_easy_cleanup(easy);
    free_headers(headers);
    tt_buf_free(&answer.head);
    tt_buf_free(&answer.body);
    return (int)status;
}

int tt_local_http(const char *address, const char *method, const char *path, struct tt_str json,
                  struct tt_buf *body, struct tt_err *err)
{
    struct tt_local_request request = {
        .address = address,
        .method = method,
        .path = path,
        .headers = json.data ? TT_STR("Content-Type: application/json\r\n") : (struct tt_str){0},
        .body = json,
        .limit_s = TT_LOCAL_LIMIT_S};
    return tt_local_send(&request, NULL, body, err);
}
