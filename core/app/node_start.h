/* The server as a node, if the setting nodes.listen is there: joining and leaving (node/node.h). */
#pragma once
#include "app/app.h"

/* Whether the settings make this server a node, and whether they fit together. */
bool tt_app_is_node(const struct tt_settings *settings);
int tt_app_node_check(const struct tt_settings *settings, struct tt_err *err);

/* Fills in app->node, which stays NULL if it is none. Needs keys and the folder of files. Fails:
 * -1. Thread: main. */
int tt_app_node_join(struct tt_app *app, struct tt_err *err);
/* From now on its lease is renewed, and it looks after what dead nodes left. Thread: main, with the
 * workers there. */
int tt_app_node_start(struct tt_app *app, struct tt_err *err);
/* Harmless when it has not joined. Thread: main, with all work ended and the database open. */
void tt_app_node_leave(struct tt_app *app);
