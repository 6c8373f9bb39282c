// A request's way through the handler:
//
//   kNew ──► body wanted? ──► kReadingBody ──(nginx has it)──► kDecided
//     └────────────── no ────────────────────────────────────────┘
//
// The versions that are current when the decision begins decide; waiting for a body happens before.
#include "inspection.hpp"

#include <exception>

#include "answer.hpp"
#include "config.hpp"
#include "guard.hpp"
#include "mark.hpp"
#include "runtime.hpp"
#include "text.hpp"

namespace secbeat::nginx {
namespace {

// Called by nginx when the body is whole: during ngx_http_read_client_request_body, or later from an event.
void on_body(ngx_http_request_t* r) {
  Mark* mark = find_mark(r);
  mark->body_came = true;
  if (!mark->suspended) return;
  mark->suspended = false;
  r->write_event_handler = ngx_http_core_run_phases;
  ngx_http_core_run_phases(r);
}

// NGX_OK: go on, the body is there. NGX_DONE: the phases are suspended. Else what nginx says went wrong.
ngx_int_t read_body(ngx_http_request_t* r, Mark& mark) {
  mark.progress = Progress::kReadingBody;
  const ngx_int_t rc = ngx_http_read_client_request_body(r, on_body);
  if (rc >= NGX_HTTP_SPECIAL_RESPONSE) return rc;
  if (rc == NGX_ERROR) {
    r->main->count--;
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  if (mark.body_came) {
    r->main->count--;  // the reading took a reference
    return NGX_OK;
  }
  mark.suspended = true;
  ngx_http_finalize_request(r, NGX_DONE);  // gives that reference back; the read event keeps the request
  return NGX_DONE;
}

// nginx will not read a body (again) that it has read, or that it throws away.
bool body_is_readable(const ngx_http_request_t* r) noexcept {
  return r->request_body == nullptr && !r->discard_body && (r->stream == nullptr || !r->stream->skip_data);
}

bool too_long(const ngx_http_request_t* r, const worker::Worker& worker) noexcept {
  return worker.body_over_limit() == control::BodyOverLimit::kBlock && body_length(r) != abi::kBodyLengthUnknown &&
         body_length(r) > worker.max_body_bytes();
}

ngx_int_t record(ngx_http_request_t* r, Mark& mark, const worker::Decision& decision) {
  if (decision.module.empty()) return NGX_OK;
  mark.outcome = decision.action == worker::Action::kUnavailable ? Outcome::kUnavailable : Outcome::kVerdict;
  mark.verdict = decision.verdict;
  mark.module = concatenate(r->pool, {decision.module});
  mark.version = concatenate(r->pool, {decision.version});
  if (!decision.rule.empty()) mark.rule = concatenate(r->pool, {decision.rule});
  if (!decision.message.empty()) mark.message = concatenate(r->pool, {decision.message});
  if (location_conf_of(r).receipt != 1 || mark.outcome != Outcome::kVerdict) return NGX_OK;
  return add_receipt(r, mark, decision.sha256);
}

// A request that cannot be read into memory is none that passes by itself: the modules' on_error says what becomes of
// it.
worker::Decision ask(ngx_http_request_t* r, MainConf& conf, BodyShare body) noexcept {
  Runtime& runtime = *conf.runtime;
  worker::Worker& worker = runtime.worker();
  try {
    const engine::RequestView view = runtime.reader().read(r, {.body = body_is_here(r) ? body : BodyShare::kNotGiven,
                                                               .max_body_bytes = worker.max_body_bytes(),
                                                               .request_id_index = conf.request_id_index});
    return worker.decide(view);
  } catch (const std::exception& error) {
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "secbeat: the request could not be read: %s", error.what());
    return worker.decide_unread(RequestReader::read_line(r), error.what());
  }
}

ngx_int_t decide(ngx_http_request_t* r, Mark& mark, MainConf& conf, BodyShare body) {
  mark.progress = Progress::kDecided;
  const worker::Decision decision = ask(r, conf, body);
  if (record(r, mark, decision) != NGX_OK) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  if (decision.action != worker::Action::kPass) return refuse(r, decision);
  return NGX_DECLINED;
}

ngx_int_t inspect(ngx_http_request_t* r, MainConf& conf) {
  Mark* mark = find_mark(r);
  if (mark == nullptr) mark = make_mark(r);
  if (mark == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  if (mark->progress == Progress::kDecided) return NGX_DECLINED;

  worker::Worker& worker = conf.runtime->worker();
  if (!worker.inspects()) {
    mark->progress = Progress::kDecided;
    return NGX_DECLINED;
  }
  const bool wants_body = location_conf_of(r).body == 1 && has_body(r) && worker.needs_body();
  const bool is_first_visit = mark->progress == Progress::kNew;
  if (is_first_visit && wants_body && !too_long(r, worker) && body_is_readable(r)) {
    if (const ngx_int_t rc = read_body(r, *mark); rc != NGX_OK) return rc;
  }
  // A later visit without the body: the reading failed, and an error_page has brought the request here.
  const bool give_body = mark->body_came || (is_first_visit && wants_body);
  const ngx_int_t rc = decide(r, *mark, conf, give_body ? BodyShare::kGiven : BodyShare::kNotGiven);
  if (rc == NGX_DECLINED && give_body && too_long(r, worker)) return refuse_long_body(r);
  return rc;
}

ngx_int_t on_rewrite_phase(ngx_http_request_t* r) {
  // Subrequests belong to a request that has been met; post_action runs when the answer has been sent.
  if (r != r->main || r->post_action || location_conf_of(r).enabled != 1) return NGX_DECLINED;
  MainConf& conf = main_conf_of(r);
  if (conf.runtime == nullptr) return NGX_DECLINED;
  // Nothing throws but what ask() catches; whatever else did would pass a request that nobody has inspected.
  return guarded<ngx_int_t>(r->connection->log, NGX_HTTP_INTERNAL_SERVER_ERROR, [&] { return inspect(r, conf); });
}

}  // namespace

ngx_int_t register_inspection(ngx_conf_t* cf) noexcept {
  auto* core = static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  auto* handler = static_cast<ngx_http_handler_pt*>(ngx_array_push(&core->phases[NGX_HTTP_REWRITE_PHASE].handlers));
  if (handler == nullptr) return NGX_ERROR;
  *handler = on_rewrite_phase;
  return NGX_OK;
}

}  // namespace secbeat::nginx
