#include "upstream/call_template.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static struct tt_str copy(struct tt_str text)
{
    return tt_str_of(tt_strndup(text.len > 0 ? text.data : "", text.len), text.len);
}

static struct tt_str upstream_of(const char *url)
{
    struct tt_url parsed;
    char text[300];

    if (tt_url_parse(tt_str_from(url), &parsed, NULL) != 0)
        return copy(TT_STR(""));
    int len = snprintf(text, sizeof(text), "%s://%s:%u", parsed.https ? "https" : "http",
                       parsed.host, parsed.port);
    return copy(tt_str_of(text, (size_t)len));
}

/* Until the configuration changes. */
static uint64_t adapt_key_of(const struct tt_call_template_spec *spec, struct tt_str upstream)
{
    uint64_t key = spec->configuration ? (uint64_t)spec->configuration : spec->key;

    key = (key * 0x9e3779b97f4a7c15u) ^ spec->model ^ ((uint64_t)spec->version << 40);
    for (size_t i = 0; i < upstream.len; i++)
        key = (key ^ (unsigned char)upstream.data[i]) * 0x100000001b3u;
    return key;
}

struct tt_call_template *tt_call_template_new(const struct tt_call_template_spec *spec)
{
    struct tt_call_template *template = TT_NEW(struct tt_call_template);

    atomic_init(&template->refs, 1);
    template->url = tt_strndup(spec->url, strlen(spec->url));
    template->upstream = upstream_of(spec->url);
    template->headers = tt_call_headers_new(spec->headers, spec->header_count, &template->refused);
    template->key = spec->key;
    template->configuration = spec->configuration;
    template->version = spec->version;
    template->adapt_key = adapt_key_of(spec, template->upstream);
    template->refuses = spec->refuses;
    template->learnt = spec->learnt;
    template->deadlines = spec->deadlines;
    template->spec = tt_delta_spec_ref(spec->spec);
    template->before = copy(spec->before);
    template->after = copy(spec->after);
    return template;
}

struct tt_call_template *tt_call_template_ref(struct tt_call_template *template)
{
    atomic_fetch_add_explicit(&template->refs, 1, memory_order_relaxed);
    return template;
}

void tt_call_template_unref(struct tt_call_template *template)
{
    if (!template || atomic_fetch_sub_explicit(&template->refs, 1, memory_order_acq_rel) != 1)
        return;
    tt_call_headers_unref(template->headers);
    tt_delta_spec_unref(template->spec);
    free(template->url);
    free((char *)(uintptr_t) template->upstream.data);
    free((char *)(uintptr_t) template->before.data);
    free((char *)(uintptr_t) template->after.data);
    free(template);
}
