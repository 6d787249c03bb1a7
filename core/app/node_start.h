/* The server as a node, if the setting nodes.listen is there: joining and leaving (node/node.h). */
#pragma once
#include "app/app.h"

/* Whether the settings make this server a node, and whether they fit together. */
bool tt_app_is_node(const struct tt_settings *settings);
int tt_app_node_check(const struct tt_settings *settings, struct tt_err *err);

/* Fills in app->node, which stays NULL if it is none. Needs keys and the folder of files. Fails:
 * -1. Thread: main. */
int tt_app_node_join(struct tt_app *app, struct tt_err *err);
/* From now on it is alive for others. Thread: main, with workers and scripts there. */
int tt_app_node_start(struct tt_app *app, struct tt_err *err);
