#include "secbeat/agent/api_server.hpp"

#include "api_routes.hpp"
#include "rules/rule_book.hpp"
#include "secbeat/http/server.hpp"

namespace secbeat::agent {
namespace {

http::Settings settings_of(const Config& config) {
  return {.listen = config.api,
          .keys = config.api_keys,
          .tls_certificate = config.tls_certificate,
          .tls_key = config.tls_key,
          .limits = {.module_bytes = config.max_module_bytes}};
}

class NodeApi final : public ApiServer {
 public:
  explicit NodeApi(const ApiContext& context)
      : context_(context),
        rules_(context.reloader, context.clock, find_rules_module(), context.records),
        server_(http::Server::create(settings_of(context.config), node_service(), context.clock)) {
    context_.access = &server_->access();
    context_.certificate = &server_->certificate();
    context_.rules = &rules_;
  }

  Result<void> listen() { return server_->listen(&context_); }
  [[nodiscard]] std::uint16_t port() const override { return server_->port(); }
  Result<std::string> renew(const Config& config) override { return server_->renew(settings_of(config)); }
  void stop() override { server_->stop(); }

 private:
  ApiContext context_;
  RuleBook rules_;
  std::unique_ptr<http::Server> server_;  // ends before what its handlers use
};

}  // namespace

Result<void> ApiServer::check_files(const Config& config) { return http::Server::check_files(settings_of(config)); }

Result<std::unique_ptr<ApiServer>> ApiServer::start(const ApiContext& context) {
  auto api = std::make_unique<NodeApi>(context);
  if (auto listening = api->listen(); !listening) return std::unexpected(listening.error());
  return api;
}

}  // namespace secbeat::agent
