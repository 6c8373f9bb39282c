// Decides requests by universal-waf.wasm, the module that a node runs, in the engine: for comparing with the reference
// in tests/rules. A new instance for each configuration.
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string_view>

#include "decide_lines.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/engine/compile.hpp"

namespace {

namespace engine = secbeat::engine;
using secbeat::waf::tools::Answer;
using secbeat::waf::tools::AskedRequest;

constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20U;
constexpr std::string_view kRefused = "The module refuses its configuration: ";

template <class T>
T value_of(secbeat::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

class Decider {
 public:
  Decider() : engine_(value_of(engine::Engine::create())) {
    std::string folder = std::filesystem::temp_directory_path() / "secbeat-decide-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("there is no room for temporary files");
    engine::CompileJob job;
    job.module = std::filesystem::path(SECBEAT_GUESTS_DIR) / "universal-waf.wasm";
    job.output = std::filesystem::path(folder) / "artifact";
    job.rehearsal = engine::Rehearsal::kSkip;
    const auto report = run_compile_job(job);
    auto bytes = secbeat::read_file(job.output, kMaxFileBytes);
    std::filesystem::remove_all(folder);
    const auto made = value_of(report);
    if (made.error) throw std::runtime_error(made.error->message);
    artifact_ = value_of(engine::Artifact::load(*engine_, value_of(std::move(bytes)), made.artifact_sha256));
  }

  Answer operator()(const std::string& config, const std::vector<AskedRequest>& requests) {
    const auto instance = engine::Instance::create(*engine_, artifact_, {}, config);
    if (!instance) return {.fault = without_start(instance.error().message), .verdicts = {}};
    Answer answer;
    for (const AskedRequest& request : requests) answer.verdicts.push_back(decide(**instance, request));
    return answer;
  }

 private:
  static std::string without_start(const std::string& message) {
    return message.starts_with(kRefused) ? message.substr(kRefused.size()) : message;
  }

  static std::string decide(engine::Instance& instance, const AskedRequest& asked) {
    if (!instance.usable()) return "not usable after the error before";
    std::vector<engine::HeaderView> headers;
    for (const auto& [name, value] : asked.headers) headers.push_back({.name = name, .value = value});
    engine::RequestView view;
    view.method = asked.method;
    view.uri = asked.uri;
    view.version = "HTTP/1.1";
    view.source_ip = asked.source_ip;
    view.body = asked.body;
    view.body_total_len = asked.body.size();
    view.now_unix_ms = asked.now_unix_ms;
    view.headers = headers;
    const auto verdict = instance.inspect(view);
    if (!verdict) return std::string(word_of(verdict.error().kind)) + ": " + verdict.error().message;
    const std::string rule = instance.verdict_detail().rule;
    return std::string(word_of(*verdict)) + (rule.empty() ? "" : " " + rule);
  }

  static std::string_view word_of(engine::Verdict verdict) {
    switch (verdict) {
      case engine::Verdict::kAllow:
        return "Allow";
      case engine::Verdict::kBlock:
        return "Block";
      case engine::Verdict::kLog:
        return "Log";
      case engine::Verdict::kRateLimit:
        return "RateLimit";
    }
    return "an unknown verdict";
  }
  static std::string_view word_of(engine::CallErrorKind kind) { return engine::word_of(kind); }

  std::unique_ptr<engine::Engine> engine_;
  std::shared_ptr<const engine::Artifact> artifact_;
};

}  // namespace

int main() {
  try {
    secbeat::waf::tools::answer_lines(Decider());
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
