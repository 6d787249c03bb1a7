/* A setting as tide.config returns it to scripts. */
#pragma once
#include "base/str.h"

struct tt_tide_setting { /* one value of config.get */
    enum { TT_SETTING_STRING, TT_SETTING_INT, TT_SETTING_BOOL, TT_SETTING_LIST } type;
    struct tt_str text;
    int64_t integer;
    const struct tt_str *items;
    size_t item_count;
};
