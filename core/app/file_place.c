#include "app/file_place.h"

#include "files/s3.h"

#include <stdio.h>

static const char *text_of(const struct tt_settings *settings, const char *key)
{
    return tt_conf_get(settings->conf, key)->text.data;
}

/* `name` is "bucket" or "bucket/folder". */
static struct tt_s3 *open_bucket(const struct tt_settings *settings, const char *name)
{
    const char *slash = strchr(name, '/'), *region = text_of(settings, "s3.region");
    char bucket[300], prefix[310] = "", endpoint[300];

    snprintf(bucket, sizeof(bucket), "%.*s", (int)strcspn(name, "/"), name);
    if (slash)
        snprintf(prefix, sizeof(prefix), "%s/", slash + 1);
    snprintf(endpoint, sizeof(endpoint), "%s", text_of(settings, "s3.endpoint"));
    if (!*endpoint)
        snprintf(endpoint, sizeof(endpoint), "https://s3.%s.amazonaws.com", region);
    return tt_s3_new(&(struct tt_s3_settings){.endpoint = endpoint,
                                              .bucket = bucket,
                                              .prefix = prefix,
                                              .region = region,
                                              .access_key = text_of(settings, "s3.access_key"),
                                              .secret_key = settings->s3_secret_key,
                                              .encryption = text_of(settings, "s3.encryption"),
                                              .ca_file = text_of(settings, "s3.ca_file")});
}

void tt_app_file_place_open(struct tt_app_file_place *place, const struct tt_settings *settings)
{
    const char *url = text_of(settings, "files_url");
    bool shared = strncmp(url, "file:", 5) == 0, bucket = strncmp(url, "s3://", 5) == 0;

    *place = (struct tt_app_file_place){0};
    if (shared)
        snprintf(place->folder, sizeof(place->folder), "%s", url + 5);
    else
        snprintf(place->folder, sizeof(place->folder), "%s/files", settings->data_dir);
    snprintf(place->text, sizeof(place->text), "%.390s", bucket ? url : place->folder);
    place->store = (struct tt_store_place){
        .folder = place->folder,
        .s3 = bucket ? open_bucket(settings, url + 5) : NULL,
        .shared = shared,
    };
}

void tt_app_file_place_close(struct tt_app_file_place *place)
{
    tt_s3_free(place->store.s3);
    place->store.s3 = NULL;
}
