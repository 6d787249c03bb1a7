/* Who may use the admin listener. A unix socket: whoever may open its file. TCP: only the loopback,
 * and only with the token of the settings; failed tries are limited. On demand there is a port on
 * the loopback beside it, for a browser: opened by POST /admin/port (`tidetalk admin`), entered
 * once through a URL with a key, and closed by itself. Every write is recorded (audit.h). */
#pragma once
#include "app/admin/admin.h"

/* POST /admin/port. */
void tt_admin_open_port(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);

/* Who asks: "uid:1000" on a unix socket, else "token" or "page". In the exchange's arena. */
const char *tt_admin_who(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
