/* Who may use the admin listener. A unix socket: whoever may open its file. TCP: only the loopback,
 * and only with the token of the settings; failed tries are limited. On demand there is a port on
 * the loopback beside it, for a browser: opened by POST /admin/port (`tidetalk admin`), entered
 * once through a URL with a key, and closed by itself. Every write is recorded (audit.h). */
#pragma once
#include "app/settings/settings.h"
#include "serve/dispatch.h"

struct tt_worker;
struct tt_admin_access;

/* Owns: the caller, until the workers are gone; the settings must live as long. Thread: main. */
struct tt_admin_access *tt_admin_access_new(const struct tt_settings *settings);
void tt_admin_access_free(struct tt_admin_access *access);

/* For every request to an admin listener, before anything else: true = it was refused (or entered
 * through the key) and is answered. Thread: the worker, as for all below. */
bool tt_admin_access_refuses(struct tt_worker *worker, struct tt_http_exchange *exchange,
                             const struct tt_listener_handle *handle);

/* Answers /admin/port: false = it is something else. */
bool tt_admin_access_answer(struct tt_worker *worker, struct tt_http_exchange *exchange);

/* Answers GET /admin/audit. */
void tt_admin_audit_answer(struct tt_worker *worker, struct tt_http_exchange *exchange);

/* Who asks: "uid:1000" on a unix socket, else "token" or "page". In the exchange's arena. */
const char *tt_admin_who(struct tt_worker *worker, struct tt_http_exchange *exchange);

/* Closes the port that was opened on demand, if there is one. */
void tt_admin_access_close(struct tt_worker *worker);
