/* Where the settings say that uploaded files are. */
#pragma once
#include "app/settings/settings.h"
#include "files/store.h"

struct tt_app_file_place {
    struct tt_store_place store;
    char folder[4200];
    char text[400]; /* for messages: the folder or the bucket */
};

/* Asks nobody. Owns: the caller, tt_app_file_place_close after the last store in it. Thread: any.
 */
void tt_app_file_place_open(struct tt_app_file_place *place, const struct tt_settings *settings);
void tt_app_file_place_close(struct tt_app_file_place *place);
