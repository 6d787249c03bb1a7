/* What the values of single settings must look like; see struct tt_conf_option. */
#pragma once
#include "base/err.h"
#include "base/str.h"

int tt_settings_check_address(struct tt_str value, struct tt_err *err);
int tt_settings_check_node_address(struct tt_str value, struct tt_err *err);
int tt_settings_check_node_name(struct tt_str value, struct tt_err *err);
int tt_settings_check_database(struct tt_str value, struct tt_err *err);
int tt_settings_check_files_url(struct tt_str value, struct tt_err *err);
int tt_settings_check_endpoint(struct tt_str value, struct tt_err *err);
int tt_settings_check_region(struct tt_str value, struct tt_err *err);
int tt_settings_check_encryption(struct tt_str value, struct tt_err *err);
int tt_settings_check_public_url(struct tt_str value, struct tt_err *err);
