/* curl's handles: the only place that creates them. Options that never change are set once: the
 * handles of calls are pooled and not reset. Everything that curl would do by itself is switched
 * off for all: signals, redirects, proxies from the environment, other protocols, rewriting of
 * paths. No timeout of curl's is set either, because each keeps an entry in its tree of timers for
 * the whole transfer, and curl walks that tree at every event: ours are on the loop. Its own limit
 * on connecting is then five minutes. */
#include "base/mem.h"
#include "upstream/client_internal.h"

#include <pthread.h>
#include <stdlib.h>

#define POOL_MAX  128
#define POOL_LOOK 8

static void setup_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort(); /* out of memory */
}

void tt_client_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, setup_curl);
}

CURL *tt_easy_new(void)
{
    tt_client_setup();
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, ""); /* not from the environment */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)TT_CURL_BUFFER_SIZE);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    return easy;
}

void tt_easy_set_method(CURL *easy, const char *method, struct tt_str body)
{
    bool get = strcmp(method, "GET") == 0 && body.len == 0, post = strcmp(method, "POST") == 0;
    if (get) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    } else if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.data ? body.data : "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, get || post ? NULL : method);
}

/* ---- the handles of calls ---- */

static CURL *call_handle_new(struct tt_client *client)
{
    CURL *easy = tt_easy_new();
    if (!easy)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, TT_CONN_AGE_S);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "identity"); /* unpacks: client_coding.c */
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, tt_call_on_bytes);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, tt_call_on_head_line);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, tt_call_on_request);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, tt_client_on_open);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, tt_client_on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, client);
    if (client->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_file);
    return easy;
}

static void pool_drop(struct tt_client *client, struct tt_client_handle handle)
{
    curl_easy_cleanup(handle.easy);
    tt_target_unref(client, handle.target);
}

/* Looks a little for one that had the same URL. */
static struct tt_client_handle pool_take(struct tt_client *client, const struct tt_target *target)
{
    size_t last = client->pool_count - 1, at = last;
    for (size_t i = 0; i < POOL_LOOK && i <= last; i++) {
        if (client->pool[last - i].target == target) {
            at = last - i;
            break;
        }
    }
    struct tt_client_handle found = client->pool[at];
    client->pool[at] = client->pool[last];
    client->pool_count--;
    return found;
}

/* Always a tunnel: the proxy sees no request. */
static void set_proxy(CURL *easy, const struct tt_proxy *proxy)
{
    const char *user = proxy && proxy->user[0] ? proxy->user : NULL;
    curl_easy_setopt(easy, CURLOPT_PROXY, proxy ? proxy->url : "");
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, proxy && !proxy->socks ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, proxy ? "TideTalk/" TT_VERSION : NULL);
    curl_easy_setopt(easy, CURLOPT_PROXYAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(easy, CURLOPT_PROXYUSERNAME, user);
    curl_easy_setopt(easy, CURLOPT_PROXYPASSWORD, user ? proxy->password : NULL);
}

CURL *tt_client_take_easy(struct tt_client *client, struct tt_target *target)
{
    struct tt_client_handle handle = {NULL, NULL};
    if (client->pool_count > 0) {
        handle = pool_take(client, target);
    } else {
        handle.easy = call_handle_new(client);
    }
    if (handle.easy && handle.target != target) {
        /* The text of the URL before is kept beside the parsed one, unless it is taken away. */
        curl_easy_setopt(handle.easy, CURLOPT_URL, NULL);
        curl_easy_setopt(handle.easy, CURLOPT_CURLU, target->parsed);
        if (client->settings.proxy)
            set_proxy(handle.easy, target->proxied ? client->settings.proxy : NULL);
    }
    tt_target_unref(client, handle.target);
    return handle.easy;
}

void tt_client_put_easy(struct tt_client *client, CURL *easy, struct tt_target *target)
{
    struct tt_client_handle handle = {easy, target};
    target->refs++;
    if (!client->pool)
        client->pool = tt_alloc(POOL_MAX * sizeof(*client->pool));
    if (client->pool_count < POOL_MAX)
        client->pool[client->pool_count++] = handle;
    else
        pool_drop(client, handle);
}

void tt_client_free_pool(struct tt_client *client)
{
    while (client->pool_count > 0)
        pool_drop(client, client->pool[--client->pool_count]);
    free(client->pool);
}
