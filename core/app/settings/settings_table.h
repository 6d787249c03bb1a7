/* The table of settings, for the code that reads it (settings_load.c). Private to app. */
#pragma once
#include "base/conf.h"

extern const struct tt_conf_option tt_settings_table[];
extern const size_t tt_settings_count;
/* For the table. Fails: "invalid_setting". */
int tt_settings_check_file_type(struct tt_str value, struct tt_err *err);
