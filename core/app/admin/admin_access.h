/* Who may use the admin listener. A unix socket: whoever may open its file. TCP: only the loopback,
 * and only with the token of the settings; failed tries are limited. Besides, there is a port on
 * the loopback on demand, for a browser: POST /admin/port opens it (`tidetalk admin`), a URL with a
 * key admits one browser once, and the port closes by itself. Every write is recorded (audit.h). */
#pragma once
#include "app/admin/admin.h"

/* POST /admin/port. */
void tt_admin_open_port(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);

/* The caller: "uid:1000" on a unix socket, otherwise "token" or "page". In the exchange's arena. */
const char *tt_admin_who(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
