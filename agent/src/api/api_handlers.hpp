// What each path of the API does with a request whose body has come whole.
//
// Thread safety: free functions; the context's members may be used from any thread.
#pragma once

#include "api_http.hpp"
#include "secbeat/agent/api_server.hpp"

namespace secbeat::agent {

// api_reload.cpp
HttpResponse handle_reload(const ApiContext& context, HttpRequest& request);
HttpResponse handle_load(const ApiContext& context, HttpRequest& request);
HttpResponse handle_validate(const ApiContext& context, HttpRequest& request);
HttpResponse handle_rollback(const ApiContext& context, HttpRequest& request);
HttpResponse handle_remove(const ApiContext& context, HttpRequest& request);

// api_read.cpp
HttpResponse handle_version(const ApiContext& context, HttpRequest& request);
HttpResponse handle_history(const ApiContext& context, HttpRequest& request);
HttpResponse handle_modules(const ApiContext& context, HttpRequest& request);
HttpResponse handle_versions(const ApiContext& context, HttpRequest& request);
HttpResponse handle_operation(const ApiContext& context, HttpRequest& request);
HttpResponse handle_module_bytes(const ApiContext& context, HttpRequest& request);

// api_watch.cpp
HttpResponse handle_watch_end(const ApiContext& context, HttpRequest& request);

// api_break_glass.cpp
HttpResponse handle_freeze(const ApiContext& context, HttpRequest& request);
HttpResponse handle_unfreeze(const ApiContext& context, HttpRequest& request);
HttpResponse handle_bypass(const ApiContext& context, HttpRequest& request);
HttpResponse handle_break_glass(const ApiContext& context, HttpRequest& request);
HttpResponse handle_drill(const ApiContext& context, HttpRequest& request);

// api_rules.cpp
HttpResponse handle_rules_schema(const ApiContext& context, HttpRequest& request);
HttpResponse handle_rules(const ApiContext& context, HttpRequest& request);
HttpResponse handle_active_rules(const ApiContext& context, HttpRequest& request);
HttpResponse handle_rule_stats(const ApiContext& context, HttpRequest& request);
HttpResponse handle_rule(const ApiContext& context, HttpRequest& request);
HttpResponse handle_add_rule(const ApiContext& context, HttpRequest& request);
HttpResponse handle_put_rules(const ApiContext& context, HttpRequest& request);
HttpResponse handle_put_rule(const ApiContext& context, HttpRequest& request);
HttpResponse handle_remove_rule(const ApiContext& context, HttpRequest& request);

// api_observe.cpp
HttpResponse handle_errors(const ApiContext& context, HttpRequest& request);
HttpResponse handle_requests(const ApiContext& context, HttpRequest& request);
HttpResponse handle_metrics(const ApiContext& context, HttpRequest& request);
HttpResponse handle_healthz(const ApiContext& context, HttpRequest& request);
HttpResponse handle_readyz(const ApiContext& context, HttpRequest& request);

// api_table.cpp
HttpResponse handle_openapi(const ApiContext& context, HttpRequest& request);

}  // namespace secbeat::agent
